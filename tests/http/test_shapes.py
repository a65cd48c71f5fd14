"""Every shape of an API, read in four ways: none of them may lose items without an error."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from api_shapes import ITEMS, Answer, Shape
from shapes_counts import COUNTS, MISSPELT
from shapes_cursors import CURSORS
from shapes_links import LINKS
from shapes_misleading import MISLEADING

from anystream import http
from anystream.http import ItemsNotFound, PaginationError, SchemeNotFound, fetch_all_pages

SHAPES = [*LINKS, *CURSORS, *COUNTS, *MISLEADING]
NAMES = {name: getattr(http, name) for name in http.__all__}

MOST = 40
"""Requests of a run, at most; more are one without end."""

shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


class Outcome:
    """What a run has given, and its error if it had one."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.error: PaginationError | None = None
        self.requests = 0
        self.state: Any = None

    @property
    def word(self) -> str:
        return "complete" if self.error is None else type(self.error).__name__


async def outcome_of(
    shape: Shape, library: Any, options: Mapping[str, Any], most: int | None = None
) -> Outcome:
    """What a run has given up to its end, or up to `most` items."""
    outcome = Outcome()

    def handle(request: Any) -> Any:
        outcome.requests += 1
        assert outcome.requests <= MOST
        given = shape.answer(request)
        given = given if isinstance(given, Answer) else Answer(given)
        content = json.dumps(given.body).encode()
        return library.Response(given.status, headers=given.headers, content=content)

    client = library.AsyncClient(transport=library.MockTransport(handle))
    try:
        async with fetch_all_pages(shape.url, client=client, **{**shape.ask, **options}) as items:
            async for item in items:
                outcome.items.append(item)
                if len(outcome.items) == most:
                    break
            outcome.state = json.loads(json.dumps(items.state))
    except PaginationError as error:
        outcome.error = error
    return outcome


def check(shape: Shape, outcome: Outcome) -> None:
    """The items have come in order and once; all of them, or there is an error that helps."""
    ids = [item["id"] for item in outcome.items]
    wanted = [item["id"] for item in ITEMS[: shape.count]]
    assert ids == wanted[: len(ids)]
    if outcome.error is None:
        assert ids == wanted
    elif isinstance(outcome.error, SchemeNotFound):
        assert any(word in str(outcome.error) for word in ("next=", "max_pages=1"))
        assert ids
    elif isinstance(outcome.error, ItemsNotFound):
        assert "items=" in str(outcome.error) or "there is a list at" in str(outcome.error)
    assert outcome.error is None or is_plain(str(outcome.error))


def is_plain(text: str) -> bool:
    return text.isprintable() and len(text) < 700


def advised(text: str) -> Any:
    """The scheme that a message says to write, or None."""
    for start in range(len(text)):
        if text.startswith("next=", start) and text[start + 5 : start + 6].isupper():
            end = next(at for at in range(start, len(text)) if closes(text[start + 5 : at + 1]))
            return eval(text[start + 5 : end + 1], dict(NAMES))
    return None


def closes(text: str) -> bool:
    return text.endswith(")") and text.count("(") == text.count(")")


def test_there_are_enough_shapes() -> None:
    assert len(SHAPES) >= 100
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
    assert MISSPELT.keys() <= {shape.name for shape in SHAPES}
    assert sum(shape.unaided == "complete" for shape in SHAPES) >= 80


@shapes
async def test_with_no_argument(library: Any, shape: Shape) -> None:
    outcome = await outcome_of(shape, library, {})
    check(shape, outcome)
    assert outcome.word == shape.unaided
    if outcome.error is not None and "there are more pages, since" in str(outcome.error):
        assert isinstance(advised(str(outcome.error)), http.Scheme)
    if isinstance(outcome.error, ItemsNotFound):
        assert isinstance(advised(str(outcome.error)), http.Scheme)
        assert f"items={shape.items!r}" in str(outcome.error)


@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if shape.unaided != "complete"], ids=str
)
async def test_with_what_the_error_advises(library: Any, shape: Shape) -> None:
    error = (await outcome_of(shape, library, {})).error
    scheme = advised(str(error))
    if scheme is not None:
        given = {"items": shape.items} if isinstance(error, ItemsNotFound) else {}
        check(shape, await outcome_of(shape, library, {"next": scheme, **given}))


@shapes
async def test_with_the_best_scheme(library: Any, shape: Shape) -> None:
    outcome = await outcome_of(shape, library, shape.best)
    check(shape, outcome)
    assert outcome.word == "complete"


@shapes
async def test_a_run_that_continues_gives_the_rest(shape: Shape) -> None:
    for options in ({}, {**shape.best, "max_pages": None}):
        whole = await outcome_of(shape, httpx, options)
        for most in {1, 10, len(whole.items)} & {*range(1, len(whole.items) + 1)}:
            begun = await outcome_of(shape, httpx, options, most)
            rest = await outcome_of(shape, httpx, {**options, "resume_from": begun.state})
            assert begun.items + rest.items == whole.items
            assert rest.word == whole.word


@shapes
async def test_with_only_the_items(library: Any, shape: Shape) -> None:
    outcome = await outcome_of(shape, library, {"items": shape.items})
    check(shape, outcome)
    assert outcome.word in ("complete", "SchemeNotFound")
    if shape.unaided == "complete":
        assert outcome.word == "complete"


@shapes
async def test_with_a_typo(library: Any, shape: Shape) -> None:
    outcome = await outcome_of(shape, library, shape.typo)
    check(shape, outcome)


@pytest.mark.parametrize("name", MISSPELT)
async def test_with_a_scheme_of_another_kind(library: Any, name: str) -> None:
    shape = next(shape for shape in SHAPES if shape.name == name)
    outcome = await outcome_of(shape, library, {"next": MISSPELT[name]})
    check(replace(shape), outcome)
