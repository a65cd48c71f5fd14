"""What a shape of an API is in the table: how its server answers, and what to write for it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

HOME = "https://api.test/v1/things"
SIZE = 10
ITEMS = [{"id": number, "name": f"item {number}"} for number in range(1, 26)]

Options: TypeAlias = Mapping[str, Any]


class Answer:
    """A status, headers and a JSON body."""

    def __init__(self, body: Any, status: int = 200, headers: Options | None = None) -> None:
        self.body = body
        self.status = status
        self.headers = {**(headers or {})}


@dataclass(frozen=True)
class Shape:
    """One kind of API.

    `unaided` is how a run ends that is given only the URL: "complete", or the name of the error.
    `ask` is what each request needs, whatever the column.
    """

    name: str
    answer: Callable[[Any], Any] = field(repr=False)
    items: str
    best: Options
    typo: Options
    unaided: str = "complete"
    count: int = len(ITEMS)
    url: str = HOME
    ask: Options = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return self.name


def some(**members: Any) -> dict[str, Any]:
    """An object with those members that are not None; "__" stands for a dot."""
    return {name.replace("__", "."): each for name, each in members.items() if each is not None}


def part(start: int) -> list[dict[str, Any]]:
    return ITEMS[start : start + SIZE]


def following(start: int) -> int | None:
    return start + SIZE if start + SIZE < len(ITEMS) else None


def asked(request: Any, name: str, default: int = 0) -> int:
    """The number in a parameter; one that is not a number is ignored, as servers do."""
    value = request.url.params.get(name, "")
    return int(value) if value.isdecimal() else default


def body_of(request: Any) -> dict[str, Any]:
    return json.loads(request.content or b"{}")


def by_url(
    make: Callable[[list[Any], str | None], Any], prefix: str = HOME
) -> Callable[[Any], Any]:
    """Answers with what is made of the items and the URL of the next page."""

    def answer(request: Any) -> Any:
        start = asked(request, "after")
        after = following(start)
        return make(part(start), None if after is None else f"{prefix}?after={after}")

    return answer


def by_cursor(
    make: Callable[[list[Any], str | None], Any], param: str = "", body: str = "", header: str = ""
) -> Callable[[Any], Any]:
    """The same with a cursor, which the next request sends back in one of three ways."""

    def answer(request: Any) -> Any:
        cursor: Any = request.url.params.get(param) if param else request.headers.get(header)
        if body:
            cursor = body_of(request)
            for name in body.split("."):
                cursor = cursor.get(name) or {}
        start = int(cursor.removeprefix("c")) if cursor else 0
        after = following(start)
        return make(part(start), None if after is None else f"c{after}")

    return answer


def by_number(
    make: Callable[[list[Any], int], Any], param: str, start: int = 1
) -> Callable[[Any], Any]:
    """The same with the number of the page."""

    def answer(request: Any) -> Any:
        number = max(asked(request, param, start), start)
        return make(part((number - start) * SIZE), number)

    return answer


def by_offset(
    make: Callable[[list[Any], int], Any], param: str, start: int = 0
) -> Callable[[Any], Any]:
    """The same with the number of its first item."""

    def answer(request: Any) -> Any:
        offset = asked(request, param, start)
        return make(part(offset - start), offset)

    return answer
