"""What a user's code may hand over, for the files that say what is inferred from it."""

from collections.abc import AsyncIterator
from typing import TypeGuard

from typing_extensions import TypeIs


async def numbers() -> AsyncIterator[int]:
    yield 1


async def make_list() -> list[str]:
    return []


async def text(n: int) -> str:
    return str(n)


async def is_odd(n: int) -> bool:
    return n % 2 == 1


async def add(total: float, n: int) -> float:
    return total + n


def found(word: str) -> str | None:
    return word or None


def is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def is_nothing(value: object) -> TypeIs[None]:
    return value is None


def words(n: int) -> list[str]:
    return [str(n)]


async def later_words(n: int) -> list[str]:
    return words(n)
