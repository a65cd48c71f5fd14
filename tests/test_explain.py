"""`explain`: what it draws, and that this is what is there when the stream is open."""

import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any
from xml.etree import ElementTree

import anyio
import pytest
from contract import EVERY, ITEMS, JOINING
from hypothesis import given, settings
from insides import opening_of, tasks_of
from rows import Row
from test_programs import Pipe, Program, World, pipes

import anystream
from anystream import (
    NeedsTasksError,
    Push,
    Run,
    Stream,
    StreamDepthError,
    async_range,
    chain,
    from_callback,
    from_thread,
    merge,
    race,
    ticker,
)
from anystream._bridges.from_callback import Callbacks
from anystream._core.channel import Channel
from anystream._explain import NONE, DrawnSegment, segment_of, summary
from anystream._operators.batching import BatchChannel, UntilChannel
from anystream._operators.concurrent import Drain
from anystream._operators.triggers import Signals
from anystream.testing import TrackedSource, backend

NO_STREAMS = {"open", "partition", "share"}
"""The rows of what gives no stream but a context manager."""


def save(item: Any) -> Any:
    return item


def numbers() -> Iterator[int]:
    yield from range(9)


# -- what it draws --------------------------------------------------------------------------

DRAWN = {
    "a row": (
        lambda: async_range(9).map(str).filter(None).enumerate(1).take(3),
        """\
caller's task  async_range(9).map(str).filter(None).enumerate(1).take(3)
no tasks: a bare `async for` will do""",
    ),
    "a long row": (
        lambda: async_range(1000).map(save).filter(save).batched(20).flatten().skip(1).take(3),
        """\
caller's task  async_range(1000).map(save).filter(save).batched(20).flatten()
               .skip(1).take(3)
no tasks but those of inner streams: a bare `async for` will do if they need
none""",
    ),
    "tasks behind each other": (
        lambda: ticker(1).map(save).buffer(64).filter(save).buffer(1, "drop_oldest"),
        """\
caller's task  (reads)
  ^ channel    buffer(1, 'drop_oldest'): at most 1 item
task           filter(save)
  ^ channel    buffer(64): at most 64 items
task           ticker(1).map(save)
2 tasks: open it with `async with` or a terminal call""",
    ),
    "tasks beside each other": (
        lambda: merge(race("ab", ticker(1)).skip(1), async_range(2), buffer=2).take(3),
        """\
caller's task     take(3)
  ^ channel       merge(..., buffer=2): at most 2 items for each
  +- task         skip(1)
  |    ^ channel  race(...): on demand for each, until one has given an item
  |    +- task    Stream('ab')
  |    +- task    ticker(1)
  +- task         async_range(2)
4 tasks: open it with `async with` or a terminal call""",
    ),
    "workers": (
        lambda: async_range(9).map(save, concurrency=4, ahead=1).map(save),
        """\
caller's task  map(save)
  ^ channel    at most 5 items in work or to be read, in order
4 tasks        map(save, concurrency=4, ahead=1)
  ^ channel    on demand; none if the tasks can take items in turn
up to 1 task   async_range(9)
up to 5 tasks: open it with `async with` or a terminal call""",
    ),
    "one worker": (
        lambda: async_range(9).filter(save, ahead=1, ordered=False),
        """\
caller's task  (reads)
  ^ channel    at most 2 items in work or to be read, as they are ready
task           filter(save, ordered=False, ahead=1)
  ^ channel    on demand; none if the tasks can take items in turn
up to 1 task   async_range(9)
up to 2 tasks: open it with `async with` or a terminal call""",
    ),
    "inner streams": (
        lambda: async_range(9).switch_map(numbers).flat_map(save, concurrency=2),
        """\
caller's task      (reads)
  ^ channel        on demand for each of the tasks
2 tasks            flat_map(save, concurrency=2)
  ^ channel        on demand; none if the tasks can take items in turn
up to 1 task       (reads)
  ^ channel        on demand
  +- up to 1 task  the stream for the newest item
  +- task          switch_map(numbers)
       ^ channel   at most 1 item, the newest
     task          async_range(9)
up to 6 tasks at a time, and those of inner streams: open it with `async with`
or a terminal call""",
    ),
    "parts in turn": (
        lambda: async_range(2).chain(Stream(async_range(3).buffer(2)), "ab").map(save).repeat(3),
        """\
caller's task               repeat(3)
  +- again                  chain(...).map(save)
       +- in turn           async_range(2)
       +- in turn           Stream(...)
       |    +- inside       (reads)
       |         ^ channel  buffer(2): at most 2 items
       |       task         async_range(3)
       +- in turn           Stream('ab')
1 task at a time: open it with `async with` or a terminal call""",
    ),
    "after an error": (
        lambda: Stream(numbers).retry(2, resume=save).catch(save),
        """\
caller's task    catch(save)
  +- at first    retry(2, resume=save)
       +- again  Stream(numbers)
no tasks but those of inner streams: a bare `async for` will do if they need
none""",
    ),
    "nothing that waits": (
        lambda: anystream.zip("ab", async_range(2)),
        """\
caller's task      (reads)
  ^ channel        zip(...): on demand for each; no tasks if none ever waits
  +- up to 1 task  Stream('ab')
  +- up to 1 task  async_range(2)
up to 2 tasks: open it with `async with` or a terminal call""",
    ),
    "the clock": (
        lambda: ticker(1).with_latest_from("a").take_until(9).batched(2, within=1).debounce(1),
        """\
caller's task     (reads)
  ^ channel       debounce(1): at most 2 items, the newest
task              (reads)
  ^ channel       batched(2, within=1): at most 1 batch
task              (reads)
  ^ channel       take_until(...): on demand; what the trigger gives never waits
  +- task         (reads)
  |    ^ channel  with_latest_from(...): on demand; of each other one at most 1
  |               item, the newest
  |    +- task    ticker(1)
  |    +- task    Stream('a')
  +- task         trigger(9)
6 tasks: open it with `async with` or a terminal call""",
    ),
    "groups": (
        lambda: async_range(9).buffer(1).group_by(save, 8),
        """\
caller's task  (reads)
  ^ channel    at most 8 pairs, and as many items for the reader of each
task           group_by(save, buffer=8)
  ^ channel    buffer(1): at most 1 item
task           async_range(9)
2 tasks: open it with `async with` or a terminal call""",
    ),
    "a thread": (
        lambda: from_thread(numbers, buffer=3).map(save),
        """\
caller's task  map(save)
  ^ channel    at most 3 items
task, thread   from_thread(numbers, buffer=3)
1 task: open it with `async with` or a terminal call""",
    ),
    "a callback": (
        lambda: from_callback(save, buffer=3).map(save),
        """\
caller's task  map(save)
  ^ channel    at most 3 items
any thread     from_callback(save, buffer=3)
no tasks: a bare `async for` will do""",
    ),
    "nothing": (
        lambda: merge(),
        """\
caller's task  (reads)
  ^ channel    merge(): on demand for each
no tasks: open it with `async with` or a terminal call""",
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_text(name: str) -> None:
    make, wanted = DRAWN[name]
    assert make().explain() == wanted
    assert make().explain(format="text") == wanted


def test_every_line_fits_into_a_terminal() -> None:
    for make, _ in DRAWN.values():
        assert all(len(line) <= 80 for line in make().explain().splitlines())


def test_deep_and_wide() -> None:
    """However narrow the room for it, each call is there, and the text of one is not cut."""
    stream = async_range(9)
    for size in range(20):
        stream = stream.merge([size]).map(save)
    lines = stream.explain().splitlines()
    assert len(lines) == 1 + 20 * 2 + 20 + 1
    assert lines[-2].endswith("Stream([19])")


def test_a_chart() -> None:
    chart = chain(async_range(2).map(str), merge("ab", ticker(1))).filter("<a&b>".index).buffer(3)
    assert (
        chart.explain(format="mermaid")
        == """\
---
title: "3 tasks: open it with `async with` or a terminal call"
---
flowchart LR
  subgraph s1t["caller's task"]
    s1["(reads)"]
  end
  s1m(["buffer(3): at most 3 items"]) --> s1
  subgraph s2t["task"]
    s2["chain(...)<br>.filter(str.index)"]
    s3["async_range(2)<br>.map(str)"]
    s3 -->|"in turn"| s2
    s4["(reads)"]
    s4 -->|"in turn"| s2
  end
  s4m(["merge(...): on demand for each"]) --> s4
  subgraph s5t["task"]
    s5["Stream('ab')"]
  end
  s5 --> s4m
  subgraph s6t["task"]
    s6["ticker(1)"]
  end
  s6 --> s4m
  s2 --> s1m"""
    )


def test_a_chart_takes_any_text() -> None:
    """Every sign that means something to Mermaid within quotes is written by its number."""
    chart = Stream(['"#1; <b>&amp;</b>', "`md`", "\\"]).explain("mermaid")
    assert (
        """s1["Stream(['#34;#35;1; #60;b#62;#38;amp;#60;/b#62;', '#96;md#96;', '#92;#92;'])"]"""
        in chart
    )


class InLines:
    def __repr__(self) -> str:
        return "one\ntwo\r\nthree"


@pytest.mark.parametrize("format", ["text", "mermaid"])
def test_a_text_of_several_lines_is_put_into_one(format: Any) -> None:
    stream = Stream([InLines()]).default_if_empty(InLines()).buffer(1).chain([InLines()])
    length = len(Stream([0]).default_if_empty(0).buffer(1).chain([0]).explain(format).splitlines())
    drawn = stream.explain(format).splitlines()
    assert len(drawn) == length
    assert "default_if_empty(one two three)" in "".join(drawn)


ODD = ['say "hi" \\ there', "a\nb", "\x1b[31mred\x00", "\ud800", "\u202e<b>&amp;</b>"]
"""What some format or other cannot hold as it is."""


class Odd:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@pytest.mark.parametrize("odd", ODD, ids=ascii)
async def test_odd_names_and_texts_in_every_format(odd: str) -> None:
    async def slow(n: int) -> int:
        await anyio.sleep(1)
        return n

    named = async_range(9).map(slow).buffer(2).named(odd).chain([Odd(odd)])
    async with named as items:
        items.statistics()
        await anext(items)
        drawings = {
            format: [stream.explain(format) for stream in (named, items)]
            for format in ("text", "mermaid", "svg")
        }
    for drawing in itertools.chain.from_iterable(drawings.values()):
        assert drawing.encode().decode().replace("\n", "").isprintable()
    for svg in drawings["svg"]:
        assert ElementTree.fromstring(svg).tag.endswith("svg")
    for chart in drawings["mermaid"]:
        _, title, _, *lines = chart.splitlines()
        assert json.loads(title.removeprefix("title: "))
        assert all(line.count('"') % 2 == 0 for line in lines)
    assert "the slowest is " in drawings["text"][1].splitlines()[-1]


def test_a_bad_format() -> None:
    with pytest.raises(ValueError, match="one of 'text', 'mermaid', 'svg', got 'dot'"):
        async_range(3).explain("dot")  # type: ignore[arg-type]


# -- what it leaves alone -------------------------------------------------------------------


async def test_nothing_is_used_up_or_called() -> None:
    def never() -> Any:
        raise AssertionError

    iterator = TrackedSource([1, 2]).iterator()
    streams = [Stream(numbers()), Stream(iterator), from_thread(numbers())]
    for stream in streams:
        assert stream.explain() == stream.explain()
        assert await stream.count() > 0
    called = Stream(never).map(never).catch(never).flat_map(never, concurrency=2).retry(3)
    called.merge(Stream(never).progress(never)).explain("mermaid")


def test_it_is_imported_when_it_is_called() -> None:
    code = """
import sys
from anystream import Stream
stream = Stream([1]).buffer(1)
assert "anystream._explain" not in sys.modules
stream.explain()
assert "anystream._explain" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# -- what is there when it is open ----------------------------------------------------------


class Watch:
    """What pipelines make and start while it is on: their channels and tasks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.channels: list[Channel] = []
        init = Channel.__init__

        def made(channel: Channel, *args: Any, **options: Any) -> None:
            self.channels.append(channel)
            init(channel, *args, **options)

        monkeypatch.setattr(Channel, "__init__", made)


def bounds(channel: Channel) -> frozenset[int]:
    """How many items may wait: in what passes news on only, none does; a batch counts as one."""
    if isinstance(channel, Callbacks):
        return frozenset({channel.bound})
    if isinstance(channel, (BatchChannel, UntilChannel)):
        return frozenset({1})
    return frozenset(lane.bound for lane in channel.lanes if not isinstance(lane, (Drain, Signals)))


def drawn_bounds(text: str) -> frozenset[int]:
    """The same as it is drawn."""
    numbers = {int(number) for number in re.findall(r"at most (\d+) ", text + " ")}
    return frozenset(numbers | ({0} if "on demand" in text else set()))


def assert_channels(stream: Stream[Any], channels: list[Channel]) -> None:
    texts = [each.channel for each in drawn(stream).everything() if each.channel is not None]
    optional = Counter(drawn_bounds(text) for text in texts if OPTIONAL.search(text))
    certain = Counter(drawn_bounds(text) for text in texts if not OPTIONAL.search(text))
    there = Counter(
        bounds(channel) for channel in channels if channel.lanes or isinstance(channel, Callbacks)
    )
    assert certain <= there <= certain + optional


def assert_tasks(stream: Stream[Any], at_first: int, later: int) -> None:
    """The numbers are those of the tasks after the opening and after a step."""
    match = SUMMARY.search(" ".join(stream.explain().splitlines()))
    assert match
    most = 0 if match["most"] == "no" else int(match["most"])
    seen = at_first if match["inner"] else max(at_first, later)
    assert seen <= most
    assert match["up"] or seen == most
    with nullcontext() if match["use"] == "a bare" else pytest.raises(NeedsTasksError):
        aiter(stream)


OPTIONAL = re.compile("none if|no tasks if")
SUMMARY = re.compile(
    r" (?P<up>up to )?(?P<most>no|\d+) tasks?( at a time)?"
    r"(?P<inner>,? (and|but) those of inner streams)?: (?P<use>open it|a bare)"
)


def drawn(stream: Stream[Any]) -> DrawnSegment:
    return segment_of(stream, "caller's task", NONE)


async def assert_drawn_as_it_is(stream: Stream[Any], watch: Watch) -> None:
    watch.channels.clear()
    async with stream as run:
        channels, at_first = [*watch.channels], len(tasks_of(run))
        assert_channels(stream, channels)
        await anext(run, None)
        later = len(tasks_of(run))
    assert_tasks(stream, at_first, later)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


@EVERY
async def test_every_row_is_drawn_as_it_is(row: Row, watch: Watch) -> None:
    source = TrackedSource(ITEMS, pause=1)
    for each in (Stream(ITEMS), Stream(source.generator), Stream(source.iterator).buffer(5)):
        stream = row.over(each)
        if isinstance(stream, Stream):
            await assert_drawn_as_it_is(stream, watch)
        else:
            assert row.name in NO_STREAMS


@JOINING
async def test_every_join_is_drawn_as_it_is(row: Row, watch: Watch) -> None:
    assert row.joins
    source = TrackedSource(ITEMS, pause=1)
    parts = Stream(ITEMS), Stream(source.generator), ticker(1, 3).buffer(5), Stream(ITEMS).take(2)
    for a, b in itertools.product(parts, repeat=2):
        await assert_drawn_as_it_is(row.joins(a, b), watch)


async def test_a_zip_of_what_never_waits_has_no_tasks(watch: Watch) -> None:
    async with anystream.zip("ab", async_range(2)) as run:
        assert not tasks_of(run)
    async with anystream.zip("ab", ticker(1)) as run:
        assert len(tasks_of(run)) == 2


async def test_readers_of_a_share() -> None:
    """Their tasks are those of the block, and counted there."""
    source = TrackedSource(ITEMS, pause=1)
    owner = Stream(source.generator).buffer(2).map(save).share(7)
    async with owner as shared, shared.take(3) as run:
        assert owner.run is not None
        await anext(run)
        assert not tasks_of(run)
        assert len(tasks_of(owner.run)) == 2
        assert {lane.bound for lane in channel_of(run).lanes} == {7}
        assert (
            shared.take(3).explain()
            == """\
caller's task  take(3)
  ^ channel    at most 7 items for each reader
share's task   map(save).share(buffer=7)
  ^ channel    buffer(2): at most 2 items
share's task   Stream(TrackedSource.generator)
no tasks: a bare `async for` will do"""
        )
        assert summary(drawn(owner._recipe), True).startswith("2 tasks: ")


async def test_readers_of_a_partition() -> None:
    owner = async_range(9, delay=1).repeat(1).partition(save, 7)
    async with owner as (true, false), false.buffer(1) as run:
        assert owner.run is not None
        await anext(run)
        assert len(tasks_of(run)) == 1
        assert len(tasks_of(owner.run)) == 1
        for part in (true, false):
            assert (
                part.buffer(1).explain()
                == """\
caller's task     (reads)
  ^ channel       buffer(1): at most 1 item
task              (reads)
  ^ channel       at most 7 items for each reader
partition's task  repeat(1).partition(save, buffer=7)
  +- again        async_range(9, delay=1)
1 task: open it with `async with` or a terminal call"""
            )


async def test_readers_of_groups() -> None:
    async with async_range(9, delay=1).group_by(save, 7) as groups:
        _, group = await anext(groups)
        assert len(tasks_of(groups)) == 1
        async with group as items:
            assert not tasks_of(items)
            assert {lane.bound for lane in channel_of(items).lanes} == {7}
        assert (
            group.explain()
            == """\
caller's task    (reads)
  ^ channel      at most 7 items for each reader
group_by's task  async_range(9, delay=1).group_by(save, buffer=7)
no tasks: a bare `async for` will do"""
        )


def channel_of(run: Run[Any]) -> Channel:
    channel = opening_of(run).bottom
    assert isinstance(channel, Channel)
    return channel


@pytest.mark.real_time
async def test_bridges_are_drawn_as_they_are(watch: Watch) -> None:
    def register(push: Push[int]) -> None:
        push(1)

    await assert_drawn_as_it_is(from_callback(register, buffer=3), watch)
    for buffer in (0, 2):
        await assert_drawn_as_it_is(from_thread(itertools.count, buffer=buffer), watch)


@given(pipes())
@settings(max_examples=100, derandomize=True, database=None)
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_random_pipelines_are_drawn_as_they_are(name: str, pipe: Pipe) -> None:
    stream = World(Program(pipe)).stream
    assert stream.explain("mermaid").startswith("---")

    tasks = 0

    async def open_it() -> None:
        nonlocal tasks
        with suppress(Exception):  # the cleanup of many of these fails
            async with stream as run:
                tasks = len(tasks_of(run))

    run_on, options = backend(name)
    with pytest.MonkeyPatch.context() as monkeypatch:
        watch = Watch(monkeypatch)
        anyio.run(open_it, backend=run_on, backend_options=options)
    assert_channels(stream, watch.channels)
    assert_tasks(stream, tasks, 0)


async def test_a_run_that_operators_have_is_drawn_as_its_text() -> None:
    recipe = Stream([1, 2]).map(str)._recipe  # pyright: ignore[reportPrivateUsage]
    run: Any = aiter(recipe)
    assert run.explain() == repr(recipe)


async def test_stages_of_one_name_have_their_own_numbers() -> None:
    """Those of parts that are over are not shown any more, and are not those of others."""
    first = async_range(3).buffer(2)
    async with first.chain(async_range(50, 59).buffer(2)) as items:
        for _ in range(3):
            await anext(items)
        assert await anext(items) == 50
        _, _, over, _, _, read, *_ = items.explain().splitlines()
        assert over == "  |    ^ channel  buffer(2): at most 2 items"
        assert read.startswith("       ^ channel  buffer(2): at most 2 items: 2 passed")
    async with async_range(9).map(lambda _: 1 // 0).buffer(2).catch(lambda _: first) as items:
        await anext(items)
        lines = items.explain().splitlines()
        assert lines[2] == "       ^ channel  buffer(2): at most 2 items"
        assert lines[-1].endswith("; in inner streams: buffer(2)")


@pytest.mark.parametrize("format", ["text", "mermaid", "svg"])
def test_what_is_too_deep_to_be_drawn_says_so(format: Any) -> None:
    deeper: list[Any] = [lambda s: chain(s, [1]), lambda s: s.buffer(0), Stream]
    for make in deeper:
        items: Stream[int] = async_range(2)
        for _ in range(60):
            items = make(items)
        assert items.explain(format)
        for _ in range(1_000):
            items = make(items)
        with pytest.raises(StreamDepthError, match="to be drawn with a recursion limit of"):
            items.explain(format)
