"""What a row of the table is, and what its functions and verdicts are made of."""

import itertools
import operator
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

from anystream import (
    Stream,
)

Function = Callable[..., Any]

# -- forms of a function --------------------------------------------------------------------


def plain(fn: Function) -> Function:
    return fn


def ready(fn: Function) -> Function:
    """An async function that never suspends."""

    async def call(*args: Any) -> Any:
        return fn(*args)

    return call


def suspending(fn: Function) -> Function:
    async def call(*args: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return fn(*args)

    return call


FORMS = (plain, ready, suspending)

# -- verdicts -------------------------------------------------------------------------------

Check: TypeAlias = Callable[[list[Any], list[Any], bool], None]
"""Says what a reader may have received, of everything there is, and whether it saw the end."""


def in_order(received: list[Any], everything: list[Any], ended: bool) -> None:
    """A prefix, and nothing less than everything if the stream has ended."""
    assert received == everything[: len(received)]
    assert not ended or len(received) == len(everything), "ended quietly, with items missing"


def in_any_order(received: list[Any], everything: list[Any], ended: bool) -> None:
    assert Counter(received) <= Counter(everything)
    assert not ended or len(received) == len(everything), "ended quietly, with items missing"


def in_order_of_each(of: Callable[[Any], Any]) -> Check:
    """A prefix of what has come from each source, or of each key: `of(item)` tells them apart."""

    def check(received: list[Any], everything: list[Any], ended: bool) -> None:
        for key in {of(item) for item in [*received, *everything]}:
            of_key = [item for item in everything if of(item) == key]
            in_order([item for item in received if of(item) == key], of_key, ended)

    return check


def some(*, first: bool = False, last: bool = False) -> Check:
    """Items may be dropped, but none comes twice or out of order, and one of them must come."""

    def check(received: list[Any], everything: list[Any], ended: bool) -> None:
        rest = iter(everything)
        assert all(item in rest for item in received)
        if ended and first:
            assert received[:1] == everything[:1]
        if ended and last:
            assert received[-1:] == everything[-1:]

    return check


# -- rows -----------------------------------------------------------------------------------

Reading: TypeAlias = AbstractAsyncContextManager[AsyncIterator[Any]]
Apply: TypeAlias = Callable[[Stream[Any], Callable[[Function], Function]], Any]


@dataclass(frozen=True)
class Row:
    """An operator, or whatever else reads a stream.

    Attributes:
        name: begins with the public name; a row of a function that is no method says so.
        apply: takes the stream and the form in which to give it its functions; returns a `Stream`,
            or another async context manager that gives an iterator.
        oracle: what the items of a list become.
        calls: whether it takes a function.
        tasks: whether the stream runs in another task than the reader's, which a cancelled step
            of the reader does not come to.
        check: the verdict on what was received; by default the oracle's items in their order.
        ahead: how many items it may have taken beyond what the oracle needs; None is any number.
        joins: it over two streams, if it is one that joins streams.
        grace: seconds that its source may take to close.
        skips: the tests of `test_contract.py` that do not apply, and why.
    """

    name: str
    apply: Apply
    oracle: Callable[[Iterable[int]], Iterable[Any]] = iter
    calls: bool = False
    tasks: bool = False
    check: Check = in_order
    ahead: int | None = 0
    joins: Callable[[Stream[Any], Stream[Any]], Stream[Any]] | None = None
    grace: float = 1
    skips: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return self.name

    def over(self, stream: Stream[Any], form: Callable[[Function], Function] = suspending) -> Any:
        return self.apply(stream, form)

    def wanted(self, items: Iterable[int]) -> list[Any]:
        return list(self.oracle(items))


def odd(n: int) -> bool:
    return n % 2 == 1


def small(n: int) -> bool:
    return n < 3


def square(n: int) -> int:
    return n * n


SEEN: ContextVar[int] = ContextVar("SEEN")


def noted(n: int) -> int:
    SEEN.set(n)
    return n * n


def spread(n: int) -> list[int]:
    return [n] * (n % 4)


def same(item: Any) -> Any:
    return item


def always(item: Any) -> bool:
    return True


def alone(item: Any) -> list[Any]:
    return [item]


first_of = operator.itemgetter(0)
second_of = operator.itemgetter(1)


def ordered(items: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(items))


def pairs(items: Iterable[int]) -> Iterator[tuple[int, int]]:
    return ((n, n + 1) for n in items)


def in_batches(items: Iterable[Any], n: int) -> Iterator[tuple[Any, ...]]:
    """`itertools.batched`, which Python 3.11 does not have."""
    rest = iter(items)
    return iter(lambda: tuple(itertools.islice(rest, n)), ())


INNER_WAIT = "the step waits inside of an inner stream, in the task of the reader"
