"""Where an error was raised: the note that it carries, and which frames are shown."""

import atexit
import gc
import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache, partial
from itertools import count
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import anyio
import pytest

from anystream import (
    EmptyStreamError,
    NeedsTasksError,
    Retry,
    Stream,
    async_range,
    chain,
    merge,
    stream,
    to_sync,
    zip,
)
from anystream._core import locating

pytest_plugins = ["pytester"]

MANY = 60_000
"""Items that take several batches."""


def boom(item: object) -> Any:
    raise ValueError(item)


async def async_boom(item: object) -> Any:
    raise ValueError(item)


def boom_at(bad: object) -> Callable[[Any], Any]:
    def check(item: Any) -> Any:
        if item == bad:
            raise ValueError(item)
        return item

    return check


async def failing() -> AsyncIterator[str]:
    yield "a"
    raise OSError


def failing_rows(count: int) -> Iterator[int]:
    yield from range(count)
    raise OSError


def returning(value: Any) -> Callable[[Any], Any]:
    def returned(item: object) -> Any:
        return value

    return returned


def same(item: Any) -> Any:
    return item


class Callable_:
    def __call__(self, item: object) -> Any:
        raise ValueError(item)


class Record:
    def __init__(self, item: object) -> None:
        raise ValueError(item)

    @property
    def broken(self) -> Any:
        raise ValueError


@lru_cache
def cached(item: object) -> Any:
    raise ValueError(item)


async def error_of(items: Stream[Any]) -> Exception:
    try:
        await items.collect()
    except Exception as error:
        return error
    raise AssertionError(items)


async def notes_of(items: Stream[Any]) -> list[str]:
    return getattr(await error_of(items), "__notes__", [])


NUMBERS = Stream(range(1, 4))
ONCE = Retry(1, first=0, reset=False)


def inner_of(bad: object) -> Callable[[Any], AsyncIterator[Any]]:
    async def inner(item: Any) -> AsyncIterator[Any]:
        yield item
        if item == bad:
            raise ValueError(item)

    return inner


ROWS: list[tuple[Stream[Any], str]] = [
    (
        NUMBERS.map(boom),
        "map(boom), operator 1 of 1 on Stream(range(1, 4)), at item 1 of the source",
    ),
    (NUMBERS.map(async_boom).map(str), "map(async_boom), operator 1 of 2"),
    (NUMBERS.map(str).map(boom).take(1), "map(boom), operator 2 of 3"),
    (NUMBERS.map(partial(boom)), "map(partial(boom)), operator 1 of 1"),
    (NUMBERS.map(Callable_()).map(same), "operator 1 of 2"),
    (NUMBERS.take(3).map(same).map(partial(boom)), "map(partial(boom)), operator 3 of 3"),
    (NUMBERS.map(same).map(Record).map(same), "map(Record), operator 2 of 3"),
    (NUMBERS.map(same).map(cached), "map(cached), operator 2 of 2"),
    (NUMBERS.filter(boom), "filter(boom), operator 1 of 1"),
    (NUMBERS.tap(boom).map(same), "tap(boom), operator 1 of 2"),
    (NUMBERS.tap(itemgetter(0)).map(same), "tap(operator.itemgetter(0)), operator 1 of 2"),
    (NUMBERS.take_while(boom), "take_while(boom)"),
    (NUMBERS.skip_while(boom).map(same), "skip_while(boom)"),
    (NUMBERS.accumulate(setattr).map(same), "accumulate(setattr), operator 1 of 2"),
    (
        NUMBERS.batched(weight=boom, max_weight=1).map(same),
        "batched(weight=boom, max_weight=1)",
    ),
    (NUMBERS.map(boom).batched(2), "map(boom), operator 1 of 2"),
    (Stream([[]]).distinct(), "distinct(), operator 1 of 1 on Stream([[]]), at item 1"),
    (NUMBERS.flat_map(returning(1)), "flat_map(returned), operator 1 of 1"),
    (NUMBERS.flat_map(returning(1), concurrency=2), "flat_map(returned, concurrency=2)"),
    (
        NUMBERS.flat_map(lambda _: failing_rows(2)).map(same),
        "flat_map(<lambda>), operator 1 of 2",
    ),
    (
        NUMBERS.flat_map(lambda _: failing_rows(MANY)).map(same),
        "flat_map(<lambda>), operator 1",
    ),
    (NUMBERS.flat_map(lambda _: failing()).map(same), "flat_map(<lambda>), operator 1 of 2"),
    (
        NUMBERS.flat_map(lambda n: Stream([n]).map(boom)),
        "map(boom), operator 1 of 1 on Stream([1])",
    ),
    (NUMBERS.switch_map(boom), "switch_map(boom), operator 1 of 1"),
    (NUMBERS.map_latest(boom), "map_latest(boom), operator 1 of 1"),
    (NUMBERS.group_by(boom), "group_by(boom), operator 1 of 1"),
    (NUMBERS.catch(boom).map(boom), "map(boom), operator 2 of 2"),
    (NUMBERS.tap(boom).catch(async_boom), "catch(async_boom), operator 2 of 2"),
    (NUMBERS.on_close(lambda: boom(0)), "on_close(<lambda>), operator 1 of 1"),
    (NUMBERS.timeout(9).map(boom).buffer(1), "map(boom), operator 2 of 3"),
    (NUMBERS.chain(NUMBERS.map(boom)).map(same), "map(boom), operator 1 of 1"),
    (NUMBERS.chain(Stream(failing)), "in Stream(failing)"),
    (NUMBERS.repeat().map(boom_at(3)), "map(check), operator 2 of 2"),
    (merge(NUMBERS, NUMBERS.map(boom)), "map(boom), operator 1 of 1"),
    (zip(NUMBERS, NUMBERS.map(boom)), "map(boom), operator 1 of 1"),
    (Stream(NUMBERS.map(same)).map(boom), "map(boom), operator 1 of 1 on Stream("),
    (
        NUMBERS.filter(async_boom, concurrency=2),
        "filter(async_boom, concurrency=2), operator 1 of 1",
    ),
    (NUMBERS.filter(same, concurrency=2).map(boom), "map(boom), operator 2 of 2"),
    (Stream(failing), "in Stream(failing)"),
    (Stream(failing).map(same), "in Stream(failing), the source"),
    (Stream(failing).map(same).buffer(2), "in Stream(failing), the source"),
    (Stream(failing).map(same, concurrency=2), "in Stream(failing), the source"),
    (Stream(lambda: boom(1)).map(same), "in Stream(<lambda>), the source"),
    (Stream(lambda: failing_rows(3)).map(same), "in Stream(<lambda>), the source"),
    (stream(failing)().map(same), "in failing(), the source"),
    (
        Stream([{"a": 1}, {}]).map(itemgetter("a"), concurrency=2),
        "'a'), concurrency=2), operator 1 of 1 on Stream([{'a': 1}, {}]), at item 2",
    ),
    *(
        (NUMBERS.map(boom_at(2)).catch(put), "in catch(<lambda>), operator 2 of 2")
        for put in (lambda _: failing(), lambda _: failing_rows(1), lambda _: map(boom, "a"))
    ),
    *(
        (NUMBERS.map(boom_at(2)).retry(ONCE, resume=resume), "in retry(Retry(times=1, first=0")
        for resume in (boom, lambda _: failing_rows(1), returning(1))
    ),
    (
        NUMBERS.map(boom_at(2)).retry(ONCE, resume=lambda last: Stream([9]).map(boom)),
        "map(boom), operator 1 of 1 on Stream([9])",
    ),
    (
        NUMBERS.flat_map(inner_of(2)),
        "flat_map(inner), operator 1 of 1 on Stream(range(1, 4)), at item 2 of the source",
    ),
    (NUMBERS.flat_map(inner_of(2)).map(same), "at item 2 of the source"),
    (
        NUMBERS.skip(1).flat_map(inner_of(2), concurrency=2),
        "flat_map(inner, concurrency=2), operator 2 of 2 on Stream(range(1, 4)), at item 1",
    ),
    (NUMBERS.map(boom).flat_map(inner_of(2), concurrency=2), "map(boom), operator 1 of 2"),
]


@pytest.mark.parametrize(("items", "note"), ROWS, ids=range(len(ROWS)))
async def test_a_note_names_the_operator_and_its_place(items: Stream[Any], note: str) -> None:
    (found,) = [note for note in await notes_of(items) if note != "retry gave up after 2 attempts"]
    assert note in found
    assert found.startswith("in ")


async def test_the_number_of_the_item_is_that_of_the_source_or_of_the_worker() -> None:
    numbers = Stream(list(range(MANY)))
    assert "at item 41001 of the source" in (await notes_of(numbers.map(boom_at(41_000))))[0]
    halves = numbers.filter(lambda n: n % 2 == 0).map(boom_at(41_000))
    assert "at item 41001 of the source" in (await notes_of(halves))[0]
    workers = numbers.filter(lambda n: n % 2 == 0).map(boom_at(10), concurrency=3)
    assert (await notes_of(workers))[0].endswith("at item 6"), "of those that came to it"
    for unknown in (count(), {1: 2, 41_000: 3}):
        assert "at item" not in (await notes_of(Stream(unknown).map(boom_at(41_000))))[0]
    at_the_end = async_range(3).map(same).batched(2).map(boom_at((2,)))
    assert "at item 3 of the source" in (await notes_of(at_the_end))[0]


async def test_functions_of_c_are_told_apart_if_one_may_have_failed() -> None:
    rows: list[Any] = [{"a": "x"}] * MANY
    part = partial(itemgetter("a"))  # which is called in C
    both = Stream([*rows, {}]).map(partial(same)).map(part).map(partial(same))
    assert "in map(partial(operator.itemgetter('a'))), operator 2 of 3" in (await notes_of(both))[0]
    alone = Stream([*rows, {}]).map(same).map(itemgetter("a")).filter(same)
    assert "in map(operator.itemgetter('a')), operator 2 of 3" in (await notes_of(alone))[0]
    parted = Stream([*rows, {}]).map(itemgetter("a")).take(2 * MANY).map(str.upper)
    assert "in map(operator.itemgetter('a')), operator 1 of 3" in (await notes_of(parted))[0]
    after = Stream([*rows, {"a": 1}]).map(itemgetter("a")).take(2 * MANY).map(str.upper)
    assert "in map(str.upper), operator 3 of 3" in (await notes_of(after))[0]
    behind = Stream([*rows, Record]).map(same).tap(len).map(itemgetter("a"))
    assert "in tap(len), operator 2 of 3" in (await notes_of(behind))[0]
    property_of_theirs = Stream([*rows, Record.__new__(Record)]).map(same).map(attrgetter("broken"))
    found = await notes_of(property_of_theirs)
    assert "in map(operator.attrgetter('broken')), operator 2 of 2" in found[0]


async def test_all_functions_of_c_that_may_have_failed_are_named() -> None:
    rows: list[Any] = [{"a": "x"}] * MANY
    row = Stream([*rows, {}]).map(itemgetter("a")).map(str.upper).map(same).filter(str.isalpha)
    assert await notes_of(row) == [
        "in map(operator.itemgetter('a')), map(str.upper) or filter(str.isalpha), operators 1, 2"
        " and 4 of 4 on Stream([{'a': 'x'}, {'a': 'x'}, {'a': 'x'}, {'a': 'x'}, {..., at item"
        f" {MANY + 1} of the source"
    ]


async def test_a_generator_as_the_source_in_a_later_batch() -> None:
    row = Stream(lambda: failing_rows(MANY)).map(same).filter(returning(True))
    assert await notes_of(row) == ["in Stream(<lambda>), the source"]
    generator = Stream(failing_rows(MANY)).map(same)
    assert "in Stream(failing_rows), the source" in (await notes_of(generator))[0]


async def test_a_terminal_call_may_have_failed_itself() -> None:
    mixed: Stream[Any] = Stream([*range(MANY), "x"])
    for call in (mixed.map(same).sum(), mixed.map(abs).min(key=None), mixed.map(iter).any()):
        with pytest.raises(TypeError) as caught:
            await call
        notes: list[str] = getattr(caught.value, "__notes__", [])
        assert not any("same" in note for note in notes)
    with pytest.raises(ValueError, match="7") as failed:
        await async_range(9).map(boom_at(7)).sum()
    assert "in map(check), operator 1 of 1 on async_range(9)" in failed.value.__notes__[0]


async def test_the_functions_of_terminal_calls_are_named() -> None:
    with pytest.raises(ValueError, match="0") as caught:
        await async_range(3).for_each(boom)
    assert caught.value.__notes__[0].startswith("in for_each(boom), operator 1 of 1")
    with pytest.raises(ValueError, match="0") as caught:
        await async_range(3).reduce(lambda total, item: boom(total))
    assert caught.value.__notes__[0].startswith("in reduce(<lambda>)")
    with pytest.raises(ValueError, match="0") as caught:
        await async_range(3).min(key=boom)
    assert caught.value.__notes__[0].startswith("in min(key=boom)")


async def test_an_error_is_noted_once() -> None:
    error = ValueError("always the same")

    def fail(item: object) -> Any:
        raise error

    row = async_range(3).map(fail).buffer(1).map(same).buffer(2).retry(2).catch(fail)
    for _ in range(3):
        assert await error_of(row) is error
    (note,) = [each for each in error.__notes__ if "retry" not in each]
    assert note == "in map(fail), operator 1 of 6 on async_range(3), at item 1 of the source"


async def test_an_error_that_has_its_note_is_raised_by_others() -> None:
    error = await error_of(async_range(1).map(boom))
    noted = [*error.__notes__]

    def fail(*_: object) -> None:
        raise error

    for row in (async_range(1).map(fail, concurrency=2), async_range(1).on_close(lambda: fail())):
        assert await error_of(row) is error
    assert error.__notes__ == noted


async def test_a_builtin_iterator_that_fails_is_the_source() -> None:
    numbers = {1: 1}

    def grow(item: int) -> int:
        numbers[item + 1] = 1
        return item

    (found,) = await notes_of(Stream(numbers).map(grow).map(same))
    assert found == "in Stream({1: 1, 2: 1}), the source"


async def test_an_error_that_is_raised_again_and_again_costs_the_same_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It keeps the traceback of each time, as in any loop."""
    error, hidden, attempts = ValueError("always the same"), 0, 1000

    def hide(frame: Any) -> None:
        nonlocal hidden
        hidden += 1

    monkeypatch.setattr(locating, "hide", hide)

    async def failing() -> AsyncIterator[int]:
        raise error
        yield 1

    with pytest.raises(ValueError, match="always the same"):
        await Stream(failing).retry(Retry(attempts, first=0)).drain()
    assert attempts < hidden < 1100 * attempts


async def test_catch_and_retry_see_the_note() -> None:
    seen: list[str] = []

    def handler(error: Exception) -> None:
        seen.extend(error.__notes__)

    await async_range(3).map(boom).catch(handler).collect()
    await async_range(3).map(async_boom).catch(handler).collect()
    assert [each.partition(",")[0] for each in seen] == ["in map(boom)", "in map(async_boom)"]


async def test_an_error_that_allows_no_attribute_and_has_notes() -> None:
    class Strict(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise TypeError(name)

    error = Strict()
    vars(error)["__notes__"] = ["mine"]

    def fail(item: object) -> None:
        raise error

    assert await error_of(async_range(1).map(fail)) is error
    assert error.__notes__ == [
        "mine",
        "in map(fail), operator 1 of 1 on async_range(1), at item 1 of the source",
    ]


async def test_what_is_not_an_error_of_the_users_has_no_note() -> None:
    async with async_range(3).map(boom) as items:
        with pytest.raises(ValueError, match="0"):
            await anext(items)
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    with pytest.raises(EmptyStreamError) as empty:
        await async_range(0).first()
    assert not hasattr(empty.value, "__notes__")
    with pytest.raises(NeedsTasksError) as tasks:
        async for _ in Stream(lambda: async_range(3).buffer(1)):
            pass
    assert not hasattr(tasks.value, "__notes__")


async def test_a_function_that_raises_stop_iteration_is_named() -> None:
    def stop(item: int) -> Any:
        raise StopIteration

    error = await error_of(async_range(3).map(stop))
    assert error.__notes__ == [
        "in map(stop), operator 1 of 1 on async_range(3), at item 1 of the source"
    ]


async def test_what_deals_items_out_has_its_place() -> None:
    for tail in ([], [same]):
        async with NUMBERS.map(same).partition(boom_at(2)) as (true, _):
            (note,) = await notes_of(true.map(same) if tail else true)
        assert note == "in partition(check), operator 2 of 2 on Stream(range(1, 4))"


async def test_readers_of_one_source_and_threads() -> None:
    async with async_range(3).map(boom).share() as shared:
        assert "in map(boom), operator 1 of" in (await notes_of(shared.map(same)))[0]
    source = Stream([1]).map(boom)

    def read() -> list[str]:
        with pytest.raises(ValueError, match="1") as caught, to_sync(source) as items:
            list(items)
        return caught.value.__notes__

    assert "in map(boom), operator 1 of 1" in (await anyio.to_thread.run_sync(read))[0]


async def test_the_note_keeps_nothing_alive() -> None:
    class Items(list[int]):
        pass

    gc.collect()
    gc.disable()
    try:
        kept: list[Exception] = []
        await async_range(3).map(boom).catch(lambda error: kept.append(error)).collect()
        kept.clear()
        left = [each for each in gc.get_objects() if type(each) is ValueError]
        assert left == []
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("call", "place"),
    [
        (lambda: merge("ab", None), "argument 2 of merge(): source must be"),
        (lambda: chain(3), "argument 1 of chain(): source must be"),
        (lambda: Stream("ab").zip("cd", 4), "argument 2 of zip(): source must be"),
        (lambda: Stream("ab").concurrently(None), "argument 1 of concurrently(): source"),
        (
            lambda: Stream("ab").concurrently(background=None),
            "argument 'background' of concurrently(): source must",
        ),
        (lambda: to_sync(None), "source must be an"),
    ],
)
def test_the_argument_that_is_no_source_is_named(call: Callable[[], Any], place: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(place)}"):
        call()


# -- frames -----------------------------------------------------------------------------------

PROGRAM = """
from operator import itemgetter
from anystream import Stream, async_range

rows = [{"a": 1}, {}]

def check(row):
    return row["a"]

async def source():
    yield 1
    raise ValueError("in the source")
"""

WAYS = {
    "plain": "await Stream(rows).map(check).map(str).filter(None).batched(2).collect()",
    "c": "await Stream(rows).map(itemgetter('a')).map(str).filter(None).batched(2).collect()",
    "tasks": "await Stream(rows).map(check, concurrency=2).buffer(3).map(str).collect()",
    "block": "async with Stream(source).map(str) as items: print([item async for item in items])",
    "bare": "print([item async for item in Stream(rows).map(check)])",
}


@pytest.mark.parametrize("way", WAYS)
def test_ipython_hides_the_frames_of_the_library(
    way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shells = pytest.importorskip("IPython.core.interactiveshell")
    shell = shells.InteractiveShell()
    shell.colors = "nocolor"
    try:
        shell.run_cell(PROGRAM)
        shell.run_cell(WAYS[way])
    finally:
        atexit.unregister(shell.atexit_operations)
        shell.atexit_operations()
        shell.restore_sys_module_state()
    shown = capsys.readouterr().out
    frames = re.findall(r"^(?:File|Cell) .*", shown, re.MULTILINE)
    assert 2 <= len(frames) <= 6, shown
    assert sum("anystream" in frame for frame in frames) == (way == "c"), "the last one is shown"
    assert "***failed resolving arguments***" not in shown
    assert way == "c" or " in check(row)" in shown or " in source()" in shown
    assert "\nin " in shown, "the note"


def test_pytest_hides_the_frames_of_the_library(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        PROGRAM
        + "import anyio\n"
        + "".join(
            f"\n\ndef test_{name}():\n    async def main():\n        {way}\n    anyio.run(main)\n"
            for name, way in WAYS.items()
        )
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=len(WAYS))
    ours = [line for line in result.outlines if re.match(r"\S*anystream\S*\.py:\d+: ", line)]
    assert len(ours) <= 1, ours
    result.stdout.fnmatch_lines(["*def check(row):"])


def test_a_traceback_of_python_has_all_frames() -> None:
    with pytest.raises(ValueError, match="0") as caught:
        anyio.run(async_range(3).map(boom).collect)
    entry = caught.value.__traceback__
    folders = set[str]()
    while entry is not None:
        folders.add(Path(entry.tb_frame.f_code.co_filename).parent.name)
        entry = entry.tb_next
    assert "_core" in folders
