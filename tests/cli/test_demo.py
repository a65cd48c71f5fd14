"""The command `anystream`, and what its demo says of good streams and of bad ones."""

import asyncio
import gc
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count
from typing import Any

import anyio
import pytest
import trio

from anystream import CleanupTimeoutError, __version__
from anystream._cli import demo, main
from anystream._cli.demo import Ending, Log, Scenario, words
from anystream._cli.server import Server, serve

USERS = "Ada Grace Alan Barbara Edsger Frances Donald Radia Dennis Margaret Ken Hedy Tim Katherine"

EXPECTED = [
    ("async_range", "exhausted", "0 1 2 3 4"),
    ("async_range", "left early", "0 1 2 3"),
    ("fetch_all_pages", "exhausted", f"{USERS} Guido"),
    ("fetch_all_pages", "left early", "Ada Grace Alan Barbara Edsger Frances Donald Radia"),
    ("fetch_all_pages", "failed (PageStatusError)", "Ada Grace Alan Barbara Edsger Frances"),
    ("fetch_all_pages", "timed out", ""),
    ("comprehensions", "exhausted", "[10, 20, 30, 32]"),
    ("comprehensions", "exhausted", "ABDEFGHKMRT"),
    ("comprehensions", "exhausted", "{1: 'tick', 2: 'tick'}"),
    ("comprehensions", "left early", "ADA GRACE ALAN BARBARA"),
    ("comprehensions", "failed (PageStatusError)", ""),
    ("stream_data", "exhausted", "streams arrive in pieces"),
    ("stream_data", "left early", "streams arrive"),
    ("stream_data", "failed (ValueError)", "streams arrive in"),
    ("stream_data", "timed out", ""),
    ("ticker", "exhausted", "tick-1 tick-2 tick-3"),
    ("ticker", "left early", "tick-1 tick-2 tick-3"),
    ("ticker", "timed out", "tick-1 tick-2"),
]


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, where every warning is an error."""
    command = [sys.executable, "-W", "error", "-X", "dev", "-m", "anystream", *args]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True)


def not_progress(text: str) -> list[str]:
    """What there is besides the lines that tell every few seconds how far it has come."""
    return [line for line in text.splitlines() if not re.match(r"(asyncio|trio): \d+/18 ", line)]


def test_both_backends_agree_in_json() -> None:
    ran = run("demo", "--json")
    assert (ran.returncode, not_progress(ran.stderr)) == (0, [])
    report = json.loads(ran.stdout)
    assert report.keys() == {"version", "ok", "scenarios"}
    assert (report["version"], report["ok"]) == (__version__, True)
    for backend in ("asyncio", "trio"):
        assert [
            (each["stream"], how(each["backends"][backend]), items(each["backends"][backend]))
            for each in report["scenarios"]
        ] == EXPECTED
    for each, (_, ending, _) in zip(report["scenarios"], EXPECTED, strict=True):
        assert " ".join(each) == "stream scenario expected backends agree problems"
        assert (each["expected"], each["agree"], each["problems"]) == (ending, True, [])
        assert [*each["backends"]] == ["asyncio", "trio"]
        for outcome in each["backends"].values():
            assert " ".join(outcome) == "yielded ended error message open"
            assert outcome["open"] == []


def how(outcome: dict[str, Any]) -> str:
    return f"{outcome['ended']} ({outcome['error']})" if outcome["error"] else outcome["ended"]


def items(outcome: dict[str, Any]) -> str:
    return " ".join(outcome["yielded"])


def test_the_table_is_plain_text_of_one_layout_where_there_is_no_terminal() -> None:
    ran = run("demo", COLUMNS="40", PYTHONIOENCODING="utf-8")
    assert (ran.returncode, not_progress(ran.stderr)) == (0, []), ran.stdout
    lines = [line.rstrip() for line in ran.stdout.splitlines()]
    assert "\x1b" not in ran.stdout
    assert max(map(len, lines)) < 80
    assert lines[0].split() == ["stream", "yielded", "ended", "open", "agree"]
    streams = dict.fromkeys(stream for stream, _, _ in EXPECTED)
    assert [line for line in lines if line in streams] == [*streams]
    assert lines[-1].startswith("All 18 scenarios on asyncio and trio ended as they should")

    rows = [line for line in lines if line.startswith("  ")]
    places = [lines[0].index(heading) for heading in lines[0].split()]
    for row, (_, ending, yielded) in zip(rows, EXPECTED, strict=True):
        cells = [row[a:b].strip() for a, b in zip(places, [*places[1:], None], strict=True)]
        assert cells[2:] == [ending.partition(" (")[0], "nothing", "yes"]
        if len(yielded) > 24:
            first, *_, last = yielded.split()
            assert cells[1] == f"{first} ... {last} ({len(yielded.split())})"
        else:
            assert cells[1] == (yielded or "nothing")


def test_progress_and_colour_on_a_terminal() -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "50"}
    command = [sys.executable, "-m", "anystream", "demo", "--backend", "trio"]
    with subprocess.Popen(command, env=env, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 65536):
                shown += piece
        except OSError:  # Linux's way to say that nobody else has it open any more
            pass
    os.close(master)
    assert process.returncode == 0
    assert b"/18" in shown
    assert b"trio: " in shown
    assert b"\x1b[32mnothing" in shown


def test_one_backend_alone_has_nothing_to_agree_with(
    only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    only(reads_words)
    assert main(["demo", "--backend", "trio", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [*report["scenarios"][0]["backends"]] == ["trio"]
    assert "agree" not in report["scenarios"][0]
    assert main(["demo", "--backend", "asyncio"]) == 0
    output = capsys.readouterr().out
    assert output.splitlines()[0].split() == ["stream", "yielded", "ended", "open"]
    assert output.splitlines()[3].rstrip().endswith("nothing")
    assert output.splitlines()[-1].startswith("All 1 scenarios on asyncio ended")


def test_a_proxy_is_not_asked(only: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    only(demo.reading(demo.names))
    assert main(["demo"]) == 0


@pytest.mark.parametrize("args", [["demo", "--backend", "curio"], ["dance"]])
def test_what_cannot_be_read_is_a_usage_error(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: anystream")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--version"], f"anystream {__version__}\n"),
        (["--help"], "usage: anystream"),
        (["demo", "--help"], "usage: anystream demo"),
    ],
)
def test_version_and_help(args: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(text)


def test_python_dash_m() -> None:
    assert run("--version").stdout == f"anystream {__version__}\n"


@pytest.mark.parametrize(
    "missing", [["rich"], ["h11", "httpx", "rich", "shtab", "trio"]], ids=["one", "all"]
)
def test_a_missing_dependency_names_the_extra(missing: list[str]) -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({missing}))
from anystream._cli import main
sys.exit(main(["demo"]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    names = " and ".join(missing)
    assert ran.stderr == f"anystream demo needs {names}: pip install 'anystream[cli]'\n"


# -- scenarios that go wrong --------------------------------------------------------------------


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the demo play these functions alone, each of which should read a stream to its end."""
    monkeypatch.setenv("no_proxy", "")  # main changes it
    monkeypatch.setattr(demo, "SETTLE", 0.05)

    def replace(*plays: Any) -> None:
        scenarios = [Scenario("a stream", each.__name__, Ending.EXHAUSTED, each) for each in plays]
        monkeypatch.setattr(demo, "SCENARIOS", scenarios)

    return replace


async def reads_words(server: Server, log: Log) -> Ending:
    return await demo.read(words(server), log)


def problems(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    return [each["problems"] for each in report["scenarios"]]


def test_different_items_are_no_agreement(
    only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = count()

    async def differs(server: Server, log: Log) -> Ending:
        log(f"[red]{next(numbers)}")
        return Ending.EXHAUSTED

    only(differs)
    assert main(["demo", "--json"]) == 1
    assert problems(capsys) == [["The backends do not agree."]]
    assert main(["demo"]) == 1
    output = capsys.readouterr().out
    row, more = output.splitlines()[3:5]
    assert row.split() == ["differs", "asyncio:", "[red]2", "exhausted", "nothing", "no"]
    assert more.split() == ["trio:", "[red]3"]
    assert "a stream, differs: The backends do not agree.\n" in output
    assert output.endswith("1 of 1 scenarios on asyncio and trio went wrong.\n")


def test_different_endings_are_no_agreement(
    only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    endings = [Ending.LEFT_EARLY, Ending.EXHAUSTED] * 2

    async def differs(server: Server, log: Log) -> Ending:
        return endings.pop()

    only(differs)
    assert main(["demo", "--json"]) == 1
    assert problems(capsys) == [
        ["The backends do not agree.", "On trio: left early, not exhausted."],
    ]
    assert main(["demo"]) == 1
    row, more = capsys.readouterr().out.splitlines()[3:5]
    assert row.split() == ["differs", "nothing", "asyncio:", "exhausted", "nothing", "no"]
    assert more.split() == ["trio:", "left", "early"]


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError("boom " * 50), f"failed (OSError), not exhausted: {'boom ' * 50}."),
        (CleanupTimeoutError(), "failed (CleanupTimeoutError), not exhausted."),
        (TimeoutError(), "timed out, not exhausted."),
    ],
    ids=["failed", "failed with a timeout", "timed out"],
)
def test_a_wrong_ending_is_wrong_even_if_both_agree(
    error: Exception, problem: str, only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(server: Server, log: Log) -> Ending:
        raise error

    only(fails, reads_words)
    assert main(["demo", "--json"]) == 1
    assert problems(capsys) == [
        [f"On asyncio: {problem}", f"On trio: {problem}"],
        [],
    ]
    assert main(["demo"]) == 1
    assert f"\na stream, fails: On trio: {problem}\n" in capsys.readouterr().out


# Each of these leaves something open; another scenario, where nothing is wrong, tidies up.


async def leaves_a_connection(server: Server, kept: list[Any]) -> None:
    kept.append(await anyio.connect_tcp("127.0.0.1", server.port))


async def close_it(kept: list[Any]) -> None:
    await kept.pop().aclose()


async def endless() -> AsyncGenerator[int, None]:
    for number in count():
        yield number


async def leaves_a_generator(server: Server, kept: list[Any]) -> None:
    generator = endless()
    kept.append(generator)
    await anext(generator)


async def drops_a_generator(server: Server, kept: list[Any]) -> None:
    await anext(endless())


async def drops_a_cycle(server: Server, kept: list[Any]) -> None:
    cycle: list[Any] = [endless()]
    cycle.append(cycle)
    await anext(cycle[0])


async def leaves_a_task(server: Server, kept: list[Any]) -> None:
    async def lost() -> None:
        await event.wait()

    event = anyio.Event()
    try:
        task: Any = asyncio.get_running_loop().create_task(lost(), name="lost")
    except RuntimeError:
        task = trio.lowlevel.spawn_system_task(lost, name="lost")
    kept.append((event, task))


async def end_it(kept: list[Any]) -> None:
    event, _ = kept.pop()
    event.set()
    await anyio.wait_all_tasks_blocked()


async def warns(server: Server, kept: list[Any]) -> None:
    warnings.warn("a socket", ResourceWarning, stacklevel=2)
    warnings.warn("an old thing", DeprecationWarning, stacklevel=2)


async def forgets_to_await(server: Server, kept: list[Any]) -> None:
    _ = close_it(kept)


async def logs_an_error(server: Server, kept: list[Any]) -> None:
    logging.getLogger("some.where").error("lost %s", "it")
    logging.getLogger("some.where").warning("never mind")


async def nothing_to_do(kept: list[Any]) -> None:
    assert not kept


DROPPED = "abandoned: endless"


@pytest.mark.parametrize(
    ("leave", "tidy", "left", "more"),
    [
        (leaves_a_connection, close_it, "a connection to the server", "asyncio trio"),
        (leaves_a_generator, close_it, "open: endless", ""),
        (drops_a_generator, nothing_to_do, DROPPED, ""),
        (drops_a_cycle, nothing_to_do, DROPPED, ""),
        (leaves_a_task, end_it, "task: lost", ""),
        (warns, nothing_to_do, "ResourceWarning: a socket", ""),
        (forgets_to_await, nothing_to_do, "unawaited: close_it", "asyncio trio"),
        (logs_an_error, nothing_to_do, "logged: some.where: lost it", ""),
    ],
)
def test_what_is_left_open_is_found(
    leave: Callable[[Server, list[Any]], Awaitable[None]],
    tidy: Callable[[list[Any]], Awaitable[None]],
    left: str,
    more: str,
    only: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept: list[Any] = []

    async def leaves_it(server: Server, log: Log) -> Ending:
        await leave(server, kept)
        return Ending.EXHAUSTED

    async def tidies_up(server: Server, log: Log) -> Ending:
        await tidy(kept)
        return Ending.EXHAUSTED

    only(leaves_it, reads_words, tidies_up)
    assert main(["demo", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    leaving, *others = report["scenarios"]
    for backend in ("asyncio", "trio"):
        first, *rest = leaving["backends"][backend]["open"]
        assert first.startswith(left)
        assert len(rest) == (backend in more)
    assert leaving["agree"] is True
    assert len(leaving["problems"]) == 2
    assert [each["problems"] for each in others] == [[], []]
    assert main(["demo"]) == 1
    output = capsys.readouterr().out
    row = output.splitlines()[3]
    assert row.split() == ["leaves_it", "nothing", "exhausted", "see", "below", "yes"]
    assert f"a stream, leaves_it: Open on trio: {left}" in output
    assert output.endswith("1 of 3 scenarios on asyncio and trio went wrong.\n")


def test_what_is_not_open_any_more_is_not_found(only: Callable[..., None]) -> None:
    kept: list[Any] = []

    async def closes(server: Server, log: Log) -> Ending:
        generator = endless()
        kept.append(generator)
        await anext(generator)
        await generator.aclose()
        async with await anyio.connect_tcp("127.0.0.1", server.port):
            pass
        return Ending.EXHAUSTED

    only(closes)
    assert main(["demo"]) == 0
    assert len(kept) == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_watching_leaves_no_trace(backend: str) -> None:
    closed: list[bool] = []

    async def generate() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            closed.append(True)

    async def trace() -> None:
        async with serve() as server:
            before = sys.get_asyncgen_hooks(), [*logging.root.handlers], gc.get_freeze_count()
            with demo.watching(server):
                kept.append(generate())
                await anext(kept[0])
            after = sys.get_asyncgen_hooks(), [*logging.root.handlers], gc.get_freeze_count()
        assert after == before

    kept: list[Any] = []
    anyio.run(trace, backend=backend)
    assert closed  # by the event loop at its end
