"""Bad arguments of `fetch_all_pages` and of its schemes are errors of the call."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from anystream.http import Cursor, LinkHeader, NextURL, Offset, PageNumber, fetch_all_pages


async def later(given: Any) -> Any: ...


def several(given: Any) -> Iterator[Any]:
    yield given


@pytest.mark.parametrize(
    ("options", "kind", "problem"),
    [
        ({"next": "next"}, TypeError, "next must be a scheme such as .* got 'next'"),
        ({"next": LinkHeader}, TypeError, "next must be a scheme such as"),
        ({"items": 7}, TypeError, "items must be a plain function of the body, or a path in it"),
        ({"items": later}, TypeError, "items must be a plain function of the body, or a path in"),
        ({"into": later}, TypeError, "into must be a plain function of an item, got <"),
        ({"into": several}, TypeError, "into must not be a generator function, got <"),
        ({"method": "GET /"}, ValueError, "method must be an HTTP method .* got 'GET /'"),
        (
            {"page_size": 10},
            ValueError,
            r"page_size needs .* pass next=.* params=\{'per_page': 10\}",
        ),
        ({"page_size": 10, "next": NextURL()}, ValueError, "page_size needs a scheme that knows"),
        ({"page_size": 0, "next": Offset()}, ValueError, "page_size must be at least 1, got 0"),
        ({"max_items": -1}, ValueError, "max_items must be at least 0, got -1"),
        ({"max_pages": 1.5}, TypeError, "max_pages must be an integer, got 1.5"),
        ({"prefetch": -1}, ValueError, "prefetch must be at least 0, got -1"),
        ({"concurrency": 0}, ValueError, "concurrency must be at least 1, got 0"),
        (
            {"concurrency": 2},
            ValueError,
            "concurrency needs a scheme .* got concurrency=2 and next=None",
        ),
        ({"concurrency": 2, "next": NextURL()}, ValueError, r"and next=NextURL\(\)"),
        ({"rate": 0}, ValueError, "rate must be finite and more than 0, got 0"),
        ({"dedupe": 7}, TypeError, "dedupe must be a plain function of an item, or a path in it"),
        ({"dedupe": later}, TypeError, "dedupe must be a plain function of an item, or a path in"),
        ({"on_page": 7}, TypeError, "on_page must be a function"),
        ({"on_page": several}, TypeError, "on_page gives generators, whose items nobody would"),
        ({"loads": several}, TypeError, "loads must not be a generator function"),
        ({"ordered": None}, TypeError, "ordered must be True or False, got None"),
        ({"same_origin": "http://t"}, TypeError, "same_origin must be True or False, got 'http"),
        ({"texts": 1}, TypeError, "texts must be True or False, got 1"),
        ({"retry_methods": None}, TypeError, "retry_methods must be a collection of methods"),
        ({"retry": 3}, TypeError, "retry must be a Retry or None, got 3"),
        ({"max_retry_after": -1}, ValueError, "max_retry_after must be finite and at least 0"),
        ({"allow_origins": ["t"]}, ValueError, "allow_origins must hold origins .* got 't'"),
        ({"allow_origins": ["http://t/x"]}, ValueError, "allow_origins must hold origins"),
        ({"allow_origins": ["http://t:x"]}, ValueError, "allow_origins must hold origins"),
        ({"allow_origins": "http://t"}, TypeError, "allow_origins must be a collection of origins"),
        ({"allow_origins": None}, TypeError, "allow_origins must be a collection of origins"),
        ({"allow_origins": [1]}, TypeError, "allow_origins must be a collection of origins"),
    ],
)
def test_bad_arguments(options: dict[str, Any], kind: type[Exception], problem: str) -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    with pytest.raises(kind, match=problem):
        fetch_all_pages("http://t/", client=client, **options)


@pytest.mark.parametrize("name", ["total", "total_pages"])
def test_a_place_in_a_page_is_found_by_a_plain_function(name: str) -> None:
    options: dict[str, Any] = {name: later}
    with pytest.raises(TypeError, match=f"^{name} must be a plain function of the page, got <"):
        PageNumber(**options)
    wrong: Any = several
    with pytest.raises(TypeError, match=r"^more must not be a generator function, got <"):
        NextURL(more=wrong)


async def test_a_place_that_an_async_function_turns_out_to_find_is_an_error() -> None:
    wrong: Any = lambda page: later(page)  # noqa: E731  # what a decorator makes looks like it
    answers = httpx.MockTransport(lambda request: httpx.Response(200, json={"items": [1]}))
    async with httpx.AsyncClient(transport=answers) as client:
        for scheme in (NextURL(more=wrong), PageNumber(total_pages=wrong)):
            with pytest.raises(TypeError, match=r"^a function of the page must be a plain fun"):
                await fetch_all_pages("http://t/", client=client, next=scheme).drain()


@pytest.mark.parametrize("options", [{}, {"param": "a", "body": "b"}])
def test_a_cursor_is_sent_in_one_place(options: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="Cursor needs exactly one of param="):
        Cursor("c", **options)


def test_what_is_written_of_a_stream() -> None:
    client: Any = httpx.AsyncClient  # the interface is all that is looked at
    stream = fetch_all_pages(
        "http://t/",
        client=client,
        next=PageNumber("p", total_pages="n"),
        items="a",
        concurrency=3,
        max_items=7,
        params={"token": "s3cret"},
    )
    assert repr(stream) == (
        "fetch_all_pages('http://t/', next=PageNumber(param='p', total_pages='n'), items='a',"
        " max_items=7, concurrency=3)"
    )
    assert repr(fetch_all_pages("http://t/", client=client, next=follow)) == (
        "fetch_all_pages('http://t/', next=follow)"
    )


def follow(page: Any) -> None:
    """No next page."""


@pytest.mark.parametrize("statuses", [404, "503", ["404"], None])
def test_the_statuses_of_the_end_are_numbers(statuses: Any) -> None:
    with pytest.raises(TypeError, match="end_statuses must be a collection of statuses such as"):
        PageNumber(end_statuses=statuses)
