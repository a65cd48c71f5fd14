"""What a stream shows of its progress: on a terminal, in a notebook and in a log."""

import gc
import io
import math
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from anystream import Stream, StreamConsumedError, async_range, chain, watch
from anystream import _bars as bars
from anystream import _lines as lines

DRAWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\u2500-\u257f]")  # control codes and bars
HIDDEN, SEEN = "\x1b[?25l", "\x1b[?25h"  # the cursor


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """Everything that was drawn so far, in lines of words."""
        text = DRAWN.sub("", self.getvalue()).replace("\r", "\n")
        return [" ".join(line.split()) for line in text.split("\n") if line.strip()]

    def ended(self, start: str) -> bool:
        """Whether the last line of that start has stayed, and the display has stopped."""
        time_and_rate = r"( [\d,.]+/s)? 0:00:0\d"
        kept = [
            line for line in self.lines if re.fullmatch(f"{re.escape(start)}{time_and_rate}", line)
        ]
        value = self.getvalue()
        return bool(kept) and value.count(HIDDEN) == value.count(SEEN) and bars.BARS.display is None


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    # It stays what it is: pytest puts it back before the test begins.
    for name in ("isatty", "write"):
        monkeypatch.setattr(sys.stderr, name, getattr(terminal, name))
    yield terminal
    assert bars.BARS.display is None


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    with watch.terminal():
        yield


async def test_it_shows_what_it_has_come_to(terminal: Terminal) -> None:
    assert await async_range(3).progress("all [of] them", 3).collect() == [0, 1, 2]
    assert terminal.ended("all [of] them 3/3")
    assert await async_range(2000).progress().count() == 2000
    assert terminal.ended("2,000")
    assert await async_range(0).progress("none", 0).collect() == []
    assert terminal.ended("none 0/0")
    assert await async_range(1).progress("half", 2.5).collect() == [0]
    assert terminal.ended("half 1/2.5")


async def test_a_run_that_was_not_opened_shows_nothing(terminal: Terminal) -> None:
    stream = async_range(3).progress("never")
    assert repr(stream) == "async_range(3).progress(description='never')"
    assert terminal.getvalue() == ""


async def test_it_is_there_from_the_opening_and_counts_what_has_passed(terminal: Terminal) -> None:
    async with async_range(10).progress("ten", 10) as items:
        assert bars.BARS.display
        for taken in (0, 1, 2):
            bars.BARS.display.live.refresh()
            assert terminal.lines[-1].startswith(f"ten {taken}/10 ")
            await anext(items)
    assert terminal.ended("ten 3/10")


async def test_what_a_function_waits_for_does_not_cost_a_count(terminal: Terminal) -> None:
    async def later(n: int) -> int:
        await anyio.sleep(1)
        return n

    assert await async_range(50).map(later).progress("a").map(later).progress("b").count() == 50
    assert terminal.ended("a 50")
    assert terminal.ended("b 50")


async def test_the_display_stops_on_an_error(terminal: Terminal) -> None:
    with pytest.raises(ZeroDivisionError):
        await async_range(9).progress("fails").map(lambda n: 1 // (3 - n)).drain()
    assert terminal.ended("fails 4")


async def test_the_display_stops_on_a_cancellation(terminal: Terminal) -> None:
    with anyio.move_on_after(1.5):
        await async_range(9).progress("cancelled").tap(anyio.sleep).drain()
    assert terminal.ended("cancelled 3")
    with anyio.move_on_after(1.5):
        await async_range(9).tap(anyio.sleep).progress("cancelled before").buffer(3).drain()
    assert terminal.ended("cancelled before 2")


async def test_the_display_stops_when_the_block_is_left(terminal: Terminal) -> None:
    async with async_range(9).progress("left") as items:
        async for n in items:
            if n == 4:
                break
    assert terminal.ended("left 5")
    async for _ in async_range(3).progress("bare"):
        pass
    assert terminal.ended("bare 3")


async def test_the_display_stops_when_the_opening_fails(terminal: Terminal) -> None:
    consumed = Stream(iter([1]))
    await consumed.drain()
    with pytest.raises(StreamConsumedError):
        await consumed.progress("never").drain()


def test_what_has_ended_may_be_ended_again(terminal: Terminal) -> None:
    end = bars.BARS.add(terminal, "once", None, lambda: 7)
    end()
    end()
    bars.BARS.stop()
    assert terminal.ended("once 7")


@pytest.mark.real_time
@pytest.mark.parametrize("is_part", [False, True])
async def test_what_was_dropped_is_taken_away(
    is_part: bool, terminal: Terminal, request: pytest.FixtureRequest
) -> None:
    gc.disable()
    request.addfinalizer(gc.enable)
    stream = async_range(9).progress("dropped")
    with pytest.warns(ResourceWarning, match="was dropped"):
        async for _ in chain(stream, [9]).map(str) if is_part else stream:
            break
    while not terminal.ended("dropped 1"):  # noqa: ASYNC110  # there is nothing to wait for
        await anyio.sleep(0.01)


@pytest.mark.real_time
async def test_a_thread_draws_it_while_the_event_loop_is_busy(terminal: Terminal) -> None:
    async with async_range(9).progress("busy") as items:
        await anext(items)
        while not any(line.startswith("busy 1 ") for line in terminal.lines):
            time.sleep(0.01)  # noqa: ASYNC251


async def test_several_share_one_display(terminal: Terminal) -> None:
    async with async_range(9).progress("first", 9) as first:
        display = bars.BARS.display
        async with async_range(9).progress("second") as second:
            assert bars.BARS.display is display
            await anext(first)
            await anext(second)
            assert display
            display.live.refresh()
            assert [line.split()[0] for line in terminal.lines[-2:]] == ["first", "second"]
        assert bars.BARS.display is display
        await anext(first)
    assert terminal.ended("second 1")
    assert terminal.ended("first 2/9")
    assert terminal.getvalue().count(HIDDEN) == 1


async def test_many_are_drawn_at_once_and_no_more_than_there_is_room_for(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setattr(bars, "INTERVAL", 1e6)
    drawings = 0

    class Counting(bars.Display):
        def get_renderables(self) -> Any:
            nonlocal drawings
            drawings += 1
            return super().get_renderables()

    monkeypatch.setattr(bars, "Display", Counting)
    async with AsyncExitStack() as stack:
        for n in range(40):
            stream = async_range(9).progress(f"bar {n}")
            await anext(await stack.enter_async_context(stream))
        display = bars.BARS.display
        assert display
        seen = len(terminal.lines)
        display.live.refresh()
        assert [line.split()[1] for line in terminal.lines[seen:-1]] == [*map(str, range(9))]
        assert terminal.lines[-1] == "..."
    assert all(terminal.ended(f"bar {n} 1") for n in range(40))
    assert drawings < 10


@pytest.mark.parametrize("kind", ["dumb", "xterm"])
async def test_the_last_state_stays_where_nothing_is_drawn(
    kind: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", kind)
    async with async_range(9).progress(lambda count, _: f"{count} rows"):
        display = bars.BARS.display
        assert display
        async with async_range(3).progress("all", 3) as items:
            assert [n async for n in items] == [0, 1, 2]
            display.due = 0
        assert any(line.startswith("all 3/3 ") for line in terminal.lines)
    assert terminal.lines[-1] == "0 rows"


@pytest.mark.parametrize("bar_first", [True, False])
async def test_what_is_watched_stands_below_the_bars(bar_first: bool, terminal: Terminal) -> None:
    shown: list[Any] = [async_range(9).progress("bar", 9), watched(), async_range(9).buffer(3)]
    async with AsyncExitStack() as stack:
        for each in shown if bar_first else [shown[1], shown[0], shown[2]]:
            await stack.enter_async_context(each)
        display = bars.BARS.display
        assert display
        display.live.refresh()
        drawn = [line.split()[0] for line in terminal.lines]
        last = drawn[-drawn[::-1].index("bar") :]
        assert (last[0], last[-1]) == ("pipeline", "buffer(3)")
    assert terminal.ended("bar 0/9")
    assert terminal.getvalue().count(HIDDEN) == 1


@pytest.mark.real_time
async def test_rate_and_rest(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    async with async_range(9000).progress("some", 9000) as items:
        display = bars.BARS.display
        assert display
        [task] = display.tasks
        now = display.get_time()
        monkeypatch.setattr(display, "get_time", lambda: now)
        monkeypatch.setattr(task, "_get_time", lambda: now)
        task.start_time = now
        for _ in range(3):
            for _ in range(1000):
                await anext(items)
            now += 2
            display.live.refresh()
        assert terminal.lines[-1] == "some 3,000/9,000 500/s 0:00:06 0:00:12"
    assert "some 3,000/9,000 500/s 0:00:06" in terminal.lines


@pytest.mark.parametrize("to", [None, "closed", "piped"])
async def test_nothing_is_shown_elsewhere(to: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if to is not None:
        kind, to = to, io.StringIO()
        if kind == "closed":
            to.close()
    monkeypatch.setattr(sys, "stderr", to)
    async with watched(), async_range(3).progress("x", 3) as items:
        assert bars.BARS.display is None
        assert [n async for n in items] == [0, 1, 2]


@pytest.mark.parametrize("piped", [True, False])
@pytest.mark.parametrize(
    "shown", [lambda: async_range(3).progress("x"), watched], ids=["progress", "watch"]
)
async def test_what_is_printed_goes_where_it_went(
    shown: Any, piped: bool, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = io.StringIO() if piped else Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    async with shown():
        assert bars.BARS.display is not None
        print("a result")
    assert (stdout.getvalue() == "a result\n") is piped
    assert ("a result" in terminal.lines) is not piped
    assert sys.stdout is stdout


# -- in a log -----------------------------------------------------------------------------------


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    made = io.StringIO()
    monkeypatch.setattr(sys.stderr, "write", made.write)  # as for a terminal
    return made


async def test_a_log_has_a_line_now_and_then_and_a_last_one(log: io.StringIO) -> None:
    async with async_range(2000).progress("numbers", 2000) as items:
        await anext(items)
        lines.LOG.report()
        await items.collect()
    first, last = log.getvalue().splitlines()
    assert re.fullmatch(r"numbers: 1/2,000 items, [\d,.]+/s, 0:00:00", first)
    assert re.fullmatch(r"numbers: 2,000/2,000 items, [\d,.]+/s, 0:00:00", last)
    async with async_range(3).progress() as items, async_range(3).progress(one_line) as others:
        await anext(others)
        lines.LOG.report()
        assert log.getvalue().splitlines()[2:] == [
            "progress: 0 items, 0.0/s, 0:00:00",
            "1 in a line",
        ]
        assert await items.collect() == [0, 1, 2]
    assert lines.LOG.over is None, "the thread has ended"


def one_line(count: int, seconds: float) -> str:
    return f"{count} in a line"


async def test_a_short_run_and_a_closed_log_stay_silent(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await async_range(3).progress("x").collect() == [0, 1, 2]
    assert log.getvalue() == ""
    to = io.StringIO()
    monkeypatch.setattr(sys, "stderr", to)
    async with async_range(3).progress("x") as items:
        lines.LOG.report()
        kept = to.getvalue()
        to.close()
        assert await items.collect() == [0, 1, 2]
    assert kept.startswith("x: 0 items")


@pytest.mark.real_time
async def test_what_was_dropped_is_told_of_no_more(log: io.StringIO) -> None:
    with pytest.warns(ResourceWarning, match="was dropped"):
        async for _ in async_range(9).progress("dropped"):
            break
    while lines.LOG.over is not None:
        gc.collect()
        lines.LOG.report()
        await anyio.sleep(0.01)
    assert lines.LOG.lines == []


@pytest.mark.real_time
async def test_a_thread_writes_while_the_event_loop_is_busy(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "SLOW", 0.01)
    async with async_range(9).progress("busy") as items:
        await anext(items)
        while "busy: 1 items" not in log.getvalue():
            time.sleep(0.01)  # noqa: ASYNC251


async def test_where_no_thread_can_be_started_the_run_continues(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a browser; and later runs are told of as soon as there are threads."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        assert await async_range(3).progress().collect() == [0, 1, 2]
    async with async_range(3).progress():
        assert lines.LOG.over is not None


# -- in a notebook ------------------------------------------------------------------------------


class Handle:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, data: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(data["text/plain"])


async def test_a_notebook_has_one_line_that_is_replaced(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Handle()

    def display(data: dict[str, str], raw: bool, display_id: bool) -> Handle:
        assert (data, raw, display_id) == ({"text/plain": ""}, True, True)
        return handle

    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", cast("Any", kernel))
    shows: Any = SimpleNamespace(display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", shows)
    async with async_range(5).progress("five", 5) as items:
        await anext(items)
        lines.OUTPUT.report()
        await items.collect()
    assert [text.split(",")[0] for text in handle.shown] == ["five: 1/5 items", "five: 5/5 items"]
    assert terminal.getvalue() == ""


@pytest.mark.real_time
def test_a_real_notebook() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [
        "import anyio\nfrom anystream import async_range",
        "await async_range(30).tap(lambda _: anyio.sleep(0.05)).progress('thirty', 30).count()",
        "await async_range(3).map(lambda n: 1 // n).progress().collect()",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(book, timeout=50, kernel_name="python3", allow_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the client itself
        client.execute()
    shown, result = book.cells[1].outputs
    assert re.fullmatch(r"thirty: 30/30 items, [\d.]+/s, 0:00:0\d", shown.data["text/plain"]), shown
    assert result.data["text/plain"] == "30"
    line, error = book.cells[2].outputs
    assert line.data["text/plain"].startswith("progress: 0 items")
    assert "in map(<lambda>), operator 1 of 2 on async_range(3)" in error.traceback[-1]


CODE = """
import sys
import threading
import anyio
from anystream import async_range
class Terminal:
    closed = False
    def isatty(self): return True
    def write(self, text): sys.__stderr__.write(text)
    def flush(self): sys.__stderr__.flush()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", CODE + code]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


class Gone(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


async def test_a_log_that_cannot_be_written_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Gone())
    async with async_range(3).progress("rows") as items:
        await anext(items)
        lines.LOG.report()
        assert [n async for n in items] == [1, 2]


def unable(count: int, seconds: float) -> str:
    raise ZeroDivisionError


@pytest.mark.parametrize("place", ["log", "terminal"])
async def test_a_description_that_fails_is_an_error_of_its_own_run(
    place: str, request: pytest.FixtureRequest
) -> None:
    shown = request.getfixturevalue(place)
    async with async_range(3).progress("rows") as rows:
        await anext(rows)
        with pytest.raises(ZeroDivisionError):
            async with async_range(3).progress(unable) as items:
                await anext(items)
                report(place)
                async with async_range(3).progress("others") as others:
                    await others.collect()
                    report(place)
        report(place)
    assert "rows" in shown.getvalue()
    assert "others" in shown.getvalue()


def report(place: str) -> None:
    if place == "log":
        lines.LOG.report()
    elif bars.BARS.display is not None:
        bars.BARS.display.live.refresh()


@pytest.mark.real_time
def test_rich_is_needed_on_a_terminal_only() -> None:
    ran = run("""
anyio.run(async_range(3).progress("x").drain)
assert "rich" not in sys.modules
sys.modules["rich"] = None
anyio.run(async_range(3).progress("x").drain)
sys.stderr = Terminal()
try:
    async_range(3).progress("x")
except ImportError as error:
    print(error)
""")
    assert ran.stderr == ""
    assert ran.stdout == "progress on a terminal needs rich: pip install 'anystream[cli]'\n"


@pytest.mark.real_time
def test_the_cursor_is_back_at_the_exit() -> None:
    ran = run("""
import os
os.environ["TERM"] = "xterm"
sys.stderr = Terminal()
kept = async_range(3).progress("x").open()
async def main():
    await kept.__aenter__()
try:
    anyio.run(main)
finally:
    sys.exit(3)
""")
    assert ran.returncode == 3
    assert ran.stderr.count(HIDDEN) == ran.stderr.count(SEEN) == 1, ran.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3,), TypeError, "description must be a str or a function, got 3"),
        (("x", "3"), TypeError, "total must be a number, got '3'"),
        (("x", True), TypeError, "total must be a number, got True"),
        (("x", -1), ValueError, "total must be finite and at least 0, got -1"),
        (("x", math.nan), ValueError, "total must be finite and at least 0, got nan"),
    ],
)
def test_arguments(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        async_range(3).progress(*arguments)


async def test_a_function_gives_the_whole_line(terminal: Terminal) -> None:
    def line(count: int, seconds: float) -> str:
        assert seconds >= 0
        return f"so far {count} [of] them"

    async with async_range(9).progress(line) as items, async_range(4).progress("beside") as others:
        await anext(items)
        assert bars.BARS.display
        bars.BARS.display.live.refresh()
        assert terminal.lines[-1].startswith("so far 1 [of] them")
        assert [n async for n in others] == [0, 1, 2, 3]
        assert bars.BARS.say("[above]")
        assert "[above]" in terminal.lines
    assert terminal.lines[-1] == "so far 1 [of] them"
    assert terminal.getvalue().count(HIDDEN) == terminal.getvalue().count(SEEN) == 1
    assert not bars.BARS.say("nowhere")
