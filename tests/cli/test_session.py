"""How a command ends: signals, closed pipes, errors, and several of them."""

import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import httpx
import pytest

from anystream import StreamError
from anystream._cli import session, signals
from anystream._cli.endings import CommandError, UsageError, as_options, causes, code_of, message
from anystream._cli.output import LineOutput
from anystream._cli.secrets import Secrets
from anystream._cli.session import Session
from anystream.http import PageStatusError

from .running import BACKENDS

pytestmark = pytest.mark.real_time


def play(work: Callable[[], Awaitable[None]], path: Path, backend: str = "asyncio") -> int:
    with LineOutput(str(path)) as output:
        return Session(Secrets()).run(work, output, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_error_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    async def fails() -> None:
        errors = [UsageError("first"), ExceptionGroup("", [CommandError("second")])]
        raise ExceptionGroup("several", errors)

    assert play(fails, tmp_path / "out", backend) == 2
    assert capsys.readouterr().err == "anystream: first\nanystream: second\n"


def test_no_credential_is_told_whoever_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    secrets = Secrets()
    secrets.add("s3cret!")
    playing = Session(secrets, verbose=True)
    playing.detail("page 1 of s3cret! and s3cret%21")
    playing.tell(CommandError("it is s3cret!"))
    playing.tell_retry(1, OSError("s3cret!"), 2)
    assert capsys.readouterr().err == (
        "anystream: page 1 of *** and ***\n"
        "anystream: it is ***\n"
        "anystream: OSError: ***; attempt 2 in 2.0 s\n"
    )


def test_a_terminal_is_told_nothing_that_it_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    playing = Session(Secrets(), verbose=True)
    playing.tell(CommandError("\x1b]0;title\x07 \x9b31m red \x7f \u202etxt.exe é \U0001f600"))
    playing.detail("two\n\tlines\r")
    assert capsys.readouterr().err == (
        "anystream: \\x1b]0;title\\x07 \\x9b31m red \\x7f \\u202etxt.exe é \U0001f600\n"
        "anystream: two\n\tlines\\r\n"
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_closed_pipe_hides_no_other_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    async def fails() -> None:
        raise ExceptionGroup("several", [BrokenPipeError(), CommandError("and this")])

    assert play(fails, tmp_path / "out", backend) == 141
    assert capsys.readouterr().err == "anystream: and this\n"


@pytest.mark.skipif(os.name == "nt", reason="is about a pipe of POSIX")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_write_that_hangs_is_given_up_after_a_signal(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.05)
    reading, writing = os.pipe()
    playing = Session(Secrets())
    saved: list[str] = []

    async def writes() -> None:
        for name in ("first", "second", "third"):
            size = 10 if name == "first" else 1_000_000
            await playing.write(output, b"line\n" * size, lambda name=name: saved.append(name))
            os.kill(os.getpid(), signal.SIGINT)

    with LineOutput(f"/dev/fd/{writing}") as output:
        assert playing.run(writes, output, backend) == 0
    monkeypatch.setattr(signals, "die", lambda number: None)
    assert playing.end(0) == 130
    assert saved == ["first"]
    os.close(writing)
    assert os.read(reading, 1_000_000).endswith(b"line\n")
    os.close(reading)


@pytest.mark.skipif(os.name == "nt", reason="has no such signal")
@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_written_behind_a_signal(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that has come at the same time is asked for again by who goes on."""
    playing = Session(Secrets())
    saved: list[str] = []

    async def writes() -> None:
        with anyio.CancelScope(shield=True):
            os.kill(os.getpid(), signal.SIGINT)
            while playing.signal is None:  # noqa: ASYNC110  # its receiver has no event
                await anyio.sleep(0.001)
        await playing.write(output, b"line\n", lambda: saved.append("state"))

    with LineOutput(str(tmp_path / "out")) as output:
        assert playing.run(writes, output, backend) == 0
    monkeypatch.setattr(signals, "die", lambda number: None)
    assert playing.end(0) == 130
    assert saved == []
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.skipif(os.name == "nt", reason="is about a pipe of POSIX")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_signal_does_not_cut_a_write_that_goes_on(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 20)
    reading, writing = os.pipe()
    playing = Session(Secrets())
    lines = b"line\n" * 100_000
    received = bytearray()
    saved: list[str] = []

    def read() -> None:
        received.extend(os.read(reading, 10))
        os.kill(os.getpid(), signal.SIGINT)
        while playing.signal is None:  # until then there is no room for the rest
            time.sleep(0.001)
        while data := os.read(reading, 65536):
            received.extend(data)

    async def writes() -> None:
        await playing.write(output, lines, lambda: saved.append("state"))

    reader = threading.Thread(target=read)
    reader.start()
    with LineOutput(f"/dev/fd/{writing}") as output:
        assert playing.run(writes, output, backend) == 0
    os.close(writing)
    reader.join()
    os.close(reading)
    assert saved == ["state"]
    assert bytes(received) == lines


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_interruption_that_nobody_receives(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(signals, "SIGNALS", ())
    playing = Session(Secrets())
    with LineOutput(str(tmp_path / "out")) as output:
        playing.run(interrupted, output, backend)
    assert playing.signal == signal.SIGINT


@pytest.mark.parametrize("backend", BACKENDS)
def test_signals_that_are_ignored_stay_ignored(tmp_path: Path, backend: str) -> None:
    async def interrupts() -> None:
        for number in signals.SIGNALS:
            os.kill(os.getpid(), number)
        await anyio.sleep(0.01)

    before = [signal.signal(number, signal.SIG_IGN) for number in signals.SIGNALS]
    try:
        assert play(interrupts, tmp_path / "out", backend) == 0
        assert {*map(signal.getsignal, signals.SIGNALS)} == {signal.SIG_IGN}
    finally:
        for number, handler in zip(signals.SIGNALS, before, strict=True):
            signal.signal(number, handler)


def test_the_process_ends_by_the_signal_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr("signal.signal", lambda *arguments: done.append(arguments))
    monkeypatch.setattr("os.kill", lambda *arguments: done.append(arguments))
    assert signals.interrupted(signal.SIGTERM) == 143
    assert done == [(signal.SIGTERM, signal.SIG_DFL), (os.getpid(), signal.SIGTERM)]
    done.clear()
    monkeypatch.setattr(signals, "WINDOWS", True)
    assert signals.interrupted(signal.SIGINT) == 130
    assert not done


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (CommandError("a\n b"), 1, "a b"),
        (StreamError("a"), 1, "a"),
        (
            PageStatusError(404, "Not Found", "http://x", 2),
            3,
            "page 2 of http://x: status 404 Not Found",
        ),
        (httpx.ConnectTimeout(""), 4, "ConnectTimeout"),
        (httpx.ReadError("gone"), 4, "ReadError: gone"),
        (anyio.BrokenResourceError(), 4, "BrokenResourceError"),
        (ConnectionResetError(104, "Connection reset by peer"), 4, "Connection reset by peer"),
        (FileNotFoundError(2, "No such file", "x"), 1, "x: No such file"),
        (OSError("odd"), 1, "OSError: odd"),
        (ValueError("odd"), 1, "ValueError: odd"),
    ],
)
def test_errors_have_a_code_and_a_line(error: Exception, code: int, text: str) -> None:
    assert code_of(error) == code
    assert message(error) == text
    error.add_note("while fetching page 3 of http://x")
    error.add_note("gave up")
    assert message(error) == f"page 3 of http://x: {text} (gave up)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("say it with items=", "say it with --items"),
        ("pass next= to say how, or max_pages=1", "pass --next to say how, or --max-pages 1"),
        ("than max_retry_after allows", "than --max-retry-after allows"),
        ("at most max_page_bytes", "at most --max-page-bytes"),
        ("or max_empty=9", "or --max-empty 9"),
        ("try same_origin=True", "try --same-origin"),
        ("or more='has_more'", "or --more 'has_more'"),
        ("; allow_origins=['http://x:1'] would", "; --allow-origin http://x:1 would"),
        ("use concurrency=1", "use --concurrency 1"),
        ("http://x/?next=1&items=2: the next items", "http://x/?next=1&items=2: the next items"),
    ],
)
def test_arguments_are_called_by_their_options(text: str, expected: str) -> None:
    assert as_options(text) == expected


def test_causes_are_told_once() -> None:
    first, second, third = ValueError(1), ValueError(2), ValueError(3)
    third.__context__ = second
    second.__cause__ = first
    first.__cause__ = third
    assert [*causes(third)] == [second, first]
    second.__suppress_context__ = True
    second.__cause__ = None
    assert [*causes(third)] == [second]
