"""Without the private names of trio: a warning, and the order of asyncio."""

import signal
import warnings
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
import trio
from anyio.lowlevel import checkpoint

from anystream import Stream, merge
from anystream._core import trio_scopes
from anystream._core.trio_scopes import MARKS, NURSERY, STATUS, TASK, are_known, is_marked
from anystream.testing import TrackedSource

NAMES = sorted({*TASK, *STATUS, *NURSERY})


@pytest.fixture(params=NAMES)
def taken_away(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name: str = request.param
    private = trio_scopes.private

    def without(owner: object, wanted: str) -> object:
        if wanted == name:
            raise AttributeError(f"no attribute {wanted!r}")
        return private(owner, wanted)

    monkeypatch.setattr(trio_scopes, "private", without)
    are_known.cache_clear()
    yield name
    are_known.cache_clear()


def test_a_cleanup_is_complete_all_the_same(taken_away: str) -> None:
    """But for sources that hold scopes, which is what the names are for."""
    leaving: list[int] = []
    opened: list[int] = []
    closed: list[int] = []

    async def rows() -> AsyncIterator[int]:
        opened.append(1)
        try:
            yield 0
            await anyio.sleep(10)
        finally:
            await anyio.sleep(0.01)
            closed.append(1)

    async def shielded() -> AsyncIterator[int]:
        """Goes on for a while when it is interrupted."""
        opened.append(1)
        try:
            yield 0
            with anyio.CancelScope(shield=True):
                while not leaving:
                    await checkpoint()
                await checkpoint()
                await checkpoint()
            await anyio.sleep(10)
        finally:
            await anyio.sleep(0.01)
            closed.append(1)

    async def main() -> None:
        for stream in (Stream(rows).buffer(0), merge(rows(), rows()), Stream(shielded).buffer(0)):
            async with stream as items:
                with anyio.move_on_after(0.05):
                    async for _ in items:
                        pass
                leaving.append(1)
            leaving.clear()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        anyio.run(main, backend="trio")
    assert len(closed) == len(opened) > 0
    texts = [str(each.message) for each in caught if each.category is RuntimeWarning]
    assert len(texts) == 1
    assert taken_away in texts[0]


@pytest.mark.usefixtures("taken_away")
def test_a_scope_that_is_cancelled_itself_does_not_catch_the_stop() -> None:
    went_on = False

    async def main() -> None:
        scope = anyio.CancelScope()

        async def numbers() -> AsyncIterator[int]:
            nonlocal went_on
            yield 1
            with scope:
                await anyio.sleep_forever()
            went_on = True
            await anyio.sleep_forever()

        async with Stream(numbers).buffer(2) as items:
            await anext(items)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        anyio.run(main, backend="trio")
    assert not went_on


def test_they_are_all_there_today() -> None:
    async def main() -> bool:
        seen: list[bool] = []

        async def look(_: object) -> None:
            seen.append(are_known())

        await Stream([1]).map(look, concurrency=2).drain()
        return seen == [True]

    are_known.cache_clear()
    assert anyio.run(main, backend="trio")


def test_what_is_protected_from_ctrl_c_is_known() -> None:
    assert is_marked(trio.Event.set.__code__)
    assert not is_marked(test_what_is_protected_from_ctrl_c_is_known.__code__)


@pytest.mark.parametrize("taken_away", MARKS, indirect=True)
def test_ctrl_c_waits_for_the_next_checkpoint(taken_away: str) -> None:
    reached: list[int] = []

    def busy(n: int) -> int:
        signal.raise_signal(signal.SIGINT)
        reached.append(n)
        return n

    async def main() -> None:
        await Stream([1]).map(busy).drain()
        await anyio.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend="trio")
    assert reached == [1]


@pytest.mark.parametrize("taken_away", TASK, indirect=True)
def test_a_bare_loop_closes_what_holds_no_scope(taken_away: str) -> None:
    source = TrackedSource(range(9), pause=0.01, cleanup=0.01)

    async def main() -> None:
        with anyio.move_on_after(0.05):
            async for _ in Stream(source.iterator):
                pass

    anyio.run(main, backend="trio")
    assert (source.opened, source.open_runs) == (1, 0)
