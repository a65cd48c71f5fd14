"""The ways of an item, a page and a cancellation, traced, against what ARCHITECTURE.md says."""

import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import httpx
import pytest

import anystream
from anystream import Stream
from anystream.http import PageNumber, fetch_all_pages

PACKAGE = Path(anystream.__file__).parent
ROOT = PACKAGE.parent.parent
WIDTH = 100


class Walk:
    """The calls of the package's own functions that begin while it records."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.recording = False
        self._known: dict[int, FrameType] = {}  # kept, so that no other frame gets its number

    def begins(self, frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event != "call" or PACKAGE not in path.parents or "testing" in path.parts:
            return
        if path.stem in ("on_asyncio", "on_trio"):  # what each backend has of its own
            return
        if id(frame) in self._known:  # a frame that continues was called before
            return
        self._known[id(frame)] = frame
        name = frame.f_code.co_qualname
        if self.recording and "<" not in name and not is_property(frame.f_globals, name):
            self.calls.append((path.stem, name))

    @contextmanager
    def traced(self) -> Generator[None, None, None]:
        sys.setprofile(self.begins)
        try:
            yield
        finally:
            sys.setprofile(None)

    def __str__(self) -> str:
        lines: list[str] = []
        for module, calls in groupby(self.calls, lambda call: call[0]):
            names = list(dict.fromkeys(name for _, name in calls))
            lines += folded(f"{module:11}", names)
        return "\n".join(lines)


def is_property(names: dict[str, Any], qualname: str) -> bool:
    kind, _, name = qualname.partition(".")
    return isinstance(getattr(names.get(kind), name, None), property)


def folded(start: str, names: list[str]) -> Iterator[str]:
    """Lines of names with commas between them, none of which is too long."""
    line = start
    for number, name in enumerate(names):
        piece = name + "," * (number < len(names) - 1)
        if len(line) + len(piece) + 1 > WIDTH:
            yield line
            line = " " * len(start)
        line += f" {piece}"
    yield line


def inc(number: int) -> int:
    return number + 1


async def rows() -> AsyncIterator[int]:
    try:
        yield 1
        await anyio.sleep(1000)
    finally:
        await anyio.sleep(0.1)


async def one_item(walk: Walk) -> None:
    async with Stream([1, 2]).map(inc) as items:
        walk.recording = True
        assert await anext(items) == 2
        walk.recording = False


def answer(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=[{"id": request.url.params.get("page")}])


async def one_page(walk: Walk) -> None:
    """The third: the first two may have to find things out that hold for all."""
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client,
        fetch_all_pages("http://test/", client=client, next=PageNumber()) as items,
    ):
        await anext(items)
        await anext(items)
        walk.recording = True
        assert await anext(items) == {"id": "3"}
        walk.recording = False


async def one_cancellation(walk: Walk) -> None:
    async def cancel() -> None:
        await anyio.sleep(1)
        walk.recording = True
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel)
        with anyio.CancelScope() as scope:
            async with Stream(rows).map(inc).buffer(0) as items:
                assert await anext(items) == 2
                await anext(items)


PROGRAMS: dict[str, Callable[[Walk], Coroutine[Any, Any, None]]] = {
    "One item, from its source to the user": one_item,
    "One page, from the server to the user": one_page,
    "One cancellation, from the user to the source": one_cancellation,
}


def written(heading: str) -> str:
    """The calls in the section of ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return section.partition("```text\n")[2].partition("\n```")[0]


@pytest.mark.parametrize("heading", PROGRAMS)
async def test_it_goes_the_way_that_is_written(
    heading: str, anyio_backend_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anystream._core.batches.clock", lambda: 0.0)  # no batch takes too long
    walk = Walk()
    if sys.getprofile() is not None:
        pytest.skip("a profiler runs")
    with walk.traced():
        await PROGRAMS[heading](walk)
    if anyio_backend_name == "asyncio":
        assert str(walk) == written(heading)
    else:  # which has scopes of its own to see to
        assert {name for _, name in walk.calls} >= {*names_in(written(heading))} - OF_ASYNCIO


OF_ASYNCIO = {"is_from", "is_native", "Producer._is_told"}


def names_in(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from line[11:].replace(",", "").split()
