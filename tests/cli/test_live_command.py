"""`anystream sse` and `anystream lines`, over real sockets, files and pipes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from server import Server

from anystream._cli import main

from .running import BACKENDS, HOSTILE, OBEYED, at_home, environment, server, start
from .small import Small, serving

__all__ = ["at_home", "server"]  # fixtures

pytestmark = pytest.mark.real_time

posix = pytest.mark.skipif(os.name == "nt", reason="is about signals and pipes of POSIX")

Capture = pytest.CaptureFixture[str]


def event(number: int) -> dict[str, str]:
    data = f'{{"id": {number}, "name": "item {number}"}}'
    return {"type": "message", "data": data, "id": str(number)}


def events(text: str) -> list[dict[str, str]]:
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


# -- events -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_events_until_there_is_no_more_content(
    server: Server, capfd: Capture, backend: str
) -> None:
    url = f"{server.url}/events?n=5&cut=2&retry=10"
    assert main(["sse", url, "--backend", backend]) == 0
    out, err = capfd.readouterr()
    assert events(out) == [event(n) for n in range(1, 6)]
    assert not err


def test_reconnections_are_told_of(server: Server, capfd: Capture) -> None:
    assert main(["sse", f"{server.url}/events?n=2&cut=1&retry=10", "-v", "--progress"]) == 0
    _, err = capfd.readouterr()
    assert "RemoteProtocolError: " in err
    assert "; attempt 2 in " in err
    assert "2 events, " in err


def test_the_data_alone(server: Server, capfd: Capture) -> None:
    assert main(["sse", f"{server.url}/events?n=2", "--data-only", "--no-reconnect"]) == 0
    assert capfd.readouterr() == ("".join(f"{event(n)['data']}\n" for n in (1, 2)), "")


def test_events_hold_nothing_that_a_terminal_would_obey(capfd: Capture) -> None:
    data = "\x1b[31m \x9b \x7f \u202e é \0"
    with serving(Small(f"data: {data}\n\n".encode(), "text/event-stream")) as small:
        assert main(["sse", small.url, "--no-reconnect"]) == 0
        out = capfd.readouterr().out
        assert out[:-1].isprintable()
        assert json.loads(out)["data"] == data
        assert main(["sse", small.url, "--no-reconnect", "--data-only"]) == 0
        assert capfd.readouterr().out == f"{data}\n"


FIELDS = ("event", "id", "data", "", "retry", "more")
LINES = "".join(f"{name}: {HOSTILE}\n" for name in FIELDS)
EVENT = Small(f"{LINES}\n".encode(), "text/event-stream")
REFUSED = Small(status=404, reason=f"No {HOSTILE}")
SAID = Small(json.dumps({"message": f"{HOSTILE}\r\n"}).encode(), status=400)
ELSEWHERE = Small(lambda _: (302, {"Location": f"/{HOSTILE}"}, b""))


@pytest.mark.parametrize(
    ("small", "command"),
    [
        (EVENT, "sse --max-events 1"),
        (EVENT, "sse --retries 1"),
        (Small(b"", HOSTILE), "sse"),
        (Small(status=503, reason=f"No {HOSTILE}"), "sse --retries 1"),
        (REFUSED, "sse"),
        (SAID, "sse"),
        (ELSEWHERE, "sse --retries 0"),
        (REFUSED, "lines"),
        (SAID, "lines"),
        (ELSEWHERE, "lines"),
        (Small(json.dumps(HOSTILE, ensure_ascii=False).encode()), "lines --ndjson --csv"),
        (Small(b"{}\n" + json.dumps({HOSTILE: 1}).encode()), "lines --ndjson --csv"),
    ],
)
def test_nothing_else_of_a_server_acts_on_a_terminal(
    capfd: Capture, small: Small, command: str
) -> None:
    name, *options = command.split()
    with serving(small):
        main([name, small.url, "-v", *options])
    out, err = capfd.readouterr()
    assert "PWNED" in out + err or r"\x1b" in err
    assert not OBEYED.search(out + err)
    assert all(line.startswith("anystream: ") for line in err.splitlines())


def test_some_of_the_events(server: Server, capfd: Capture) -> None:
    url = f"{server.url}/events?n=9"
    assert main(["sse", url, "--max-events", "3", "--last-event-id", "4"]) == 0
    assert events(capfd.readouterr().out) == [event(n) for n in range(5, 8)]


def test_going_on_behind_the_last_event(server: Server, capfd: Capture, tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    arguments = ["sse", f"{server.url}/events?n=5", "--resume", str(state), "-o", str(out)]
    for _ in range(2):
        assert main([*arguments, "--max-events", "2"]) == 0
    assert json.loads(state.read_text())["state"] == "4"
    assert main(arguments) == 0
    assert events(out.read_text()) == [event(n) for n in range(1, 6)]
    assert main(arguments) == 0
    assert events(out.read_text()) == [event(n) for n in range(1, 6)]
    assert main(["sse", f"{server.url}/events?n=6", "--resume", str(state)]) == 2
    assert "it belongs to another URL" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("path", "options", "code", "problem"),
    [
        ("/nowhere", "", 3, "URL/nowhere: status 404 Not Found"),
        ("/lines", "", 1, "the content type is 'text/plain; charset=utf-8'"),
        ("/events?cut=1", "--no-reconnect", 4, "RemoteProtocolError: peer closed connection"),
        ("/events?n=2&delay=9", "--no-reconnect --read-timeout 0.1", 4, "ReadTimeout"),
    ],
)
def test_how_events_end(
    server: Server, capfd: Capture, path: str, options: str, code: int, problem: str
) -> None:
    assert main(["sse", server.url + path, *options.split()]) == code
    err = capfd.readouterr().err.replace(server.url, "URL")
    assert err.startswith("anystream: ")
    assert err.count("\n") == 1
    assert problem in err


def test_a_server_that_stays_away(capfd: Capture) -> None:
    assert main(["sse", "http://127.0.0.1:9/", "--retries", "0"]) == 4
    assert "ConnectError: " in capfd.readouterr().err


@posix
@pytest.mark.parametrize("backend", BACKENDS)
def test_events_are_written_as_they_come(server: Server, backend: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    arguments = ["sse", f"{server.url}/events?n=9&delay=1000", "--resume", str(state)]
    with start(*arguments, "--backend", backend) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == event(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    assert json.loads(state.read_text())["state"] == "1"


@posix
def test_a_closed_pipe_ends_it_while_nothing_comes(server: Server) -> None:
    with start("sse", f"{server.url}/events?delay=1000") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 141


# -- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_lines_of_a_url(server: Server, capfd: Capture, backend: str) -> None:
    arguments = ["-H", "X-Trace: 1", "-q", "n=2500", "--backend", backend]
    assert main(["lines", f"{server.url}/lines", *arguments]) == 0
    assert capfd.readouterr() == ("".join(f"line {n}\n" for n in range(1, 2501)), "")
    assert server.received[-1].headers["x-trace"] == "1"


TEXT = "é\x85\u2028x\r\n\n{}\t"


def test_lines_of_standard_input_whatever_the_locale() -> None:
    with start(
        "lines",
        "-",
        stdin=subprocess.PIPE,
        env=environment(LC_ALL="C", PYTHONUTF8="0"),
    ) as process:
        out, err = process.communicate(TEXT.encode(), timeout=20)
    assert (process.returncode, err) == (0, b"")
    assert out == "é\x85\u2028x\n\n{}\t\n".encode()


def test_lines_of_a_file(capfd: Capture, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"a\nb\r\nc")
    assert main(["lines", str(path), "--progress"]) == 0
    out, err = capfd.readouterr()
    assert out == "a\nb\nc\n"
    assert "3 lines, " in err


@pytest.mark.parametrize(
    ("content", "options", "written", "problem"),
    [
        (b"a\nb\xff\nc\n", "", "a\n", "line 2 of PATH: invalid UTF-8 at byte 2"),
        (b"a\nbcd\n", "--max-line 2", "a\n", "line 2 of PATH: longer than 2 bytes"),
        (
            b"{}\n\n{\n",
            "--ndjson",
            "{}\n",
            "line 3 of PATH: invalid JSON, Expecting property name"
            " enclosed in double quotes at column 2, in '{'",
        ),
        (
            b"NaN\n",
            "--ndjson",
            "",
            "line 1 of PATH: invalid JSON, NaN is not JSON at column 1, in 'NaN'",
        ),
        (b'{}\n"\xff"\n', "--ndjson", "{}\n", "line 2 of PATH: invalid UTF-8 at byte 2"),
    ],
)
def test_lines_that_are_not_as_they_should_be(
    capfd: Capture, tmp_path: Path, content: bytes, options: str, written: str, problem: str
) -> None:
    path = tmp_path / "in"
    path.write_bytes(content)
    assert main(["lines", str(path), *options.split()]) == 1
    out, err = capfd.readouterr()
    assert out == written
    assert err.replace(str(path), "PATH") == f"anystream: {problem}\n"


def test_a_line_that_is_nested_too_deeply(capfd: Capture, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"{}\n" + b"[" * 200_000)
    assert main(["lines", str(path), "--ndjson"]) == 1
    out, err = capfd.readouterr()
    assert out == "{}\n"
    assert err.startswith(f"anystream: line 2 of {path}: invalid JSON, ")
    assert len(err.splitlines()) == 1


VERBATIM = f'{{"a": 1.10,  "b": 1e400, "a": -0.0, "c": "\\ud800\\u00e9", "d": {"9" * 5000}}}'


def test_documents_are_checked_and_stay_as_they_are(capfd: Capture, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text(f" \t\n{VERBATIM}\r\n\n [1]\n")
    assert main(["lines", str(path), "--ndjson"]) == 0
    assert capfd.readouterr() == (f"{VERBATIM}\n [1]\n", "")


def test_a_source_that_is_not_there(capfd: Capture, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old\n")
    assert main(["lines", "/no/where", "-o", str(out)]) == 2
    message = "anystream: '/no/where' cannot be read: No such file or directory\n"
    assert capfd.readouterr() == ("", message)
    assert main(["lines", str(tmp_path), "-o", str(out)]) == 2
    message = f"anystream: {str(tmp_path)!r} cannot be read: Is a directory\n"
    assert capfd.readouterr() == ("", message)
    assert main(["lines", "-", "-q", "a=b", "-o", str(out)]) == 2
    assert capfd.readouterr() == ("", "anystream: argument --query: only for a URL\n")
    assert main(["lines", "-", "--read-timeout", "1", "-o", str(out)]) == 2
    assert capfd.readouterr() == ("", "anystream: argument --read-timeout: only for a URL\n")
    with pytest.raises(SystemExit):
        main(["lines", "http://"])
    assert "argument URL|FILE|-: 'http://' must be a URL that begins" in capfd.readouterr().err
    assert out.read_text() == "old\n"


@pytest.mark.parametrize("name", ["in", "link", "hard"])
def test_a_file_is_not_replaced_by_its_own_lines(capfd: Capture, tmp_path: Path, name: str) -> None:
    path, out = tmp_path / "in", tmp_path / name
    path.write_text("a\n")
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "hard").hardlink_to(path)
    message = f"anystream: argument -o/--output: {str(out)!r} is also the file that is read\n"
    assert main(["lines", str(path), "-o", str(out)]) == 2
    assert capfd.readouterr() == ("", message)
    with path.open("rb") as file, start("lines", "-", "-o", str(out), stdin=file) as process:
        assert process.communicate(timeout=30)[1].decode() == message
    assert path.read_text() == "a\n"


def test_a_file_does_not_grow_by_its_own_lines(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("a\n")
    with path.open("ab") as file, start("lines", str(path), stdout=file) as process:
        message = process.communicate(timeout=30)[1].decode()
    assert message == "anystream: standard output is also the file that is read\n"
    assert path.read_text() == "a\n"


def test_a_device_may_be_read_and_written(capfd: Capture) -> None:
    assert main(["lines", os.devnull, "-o", os.devnull]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["pages", "sse"])
@pytest.mark.parametrize("there", [False, True])
def test_the_output_is_not_replaced_by_the_place(
    server: Server, capfd: Capture, tmp_path: Path, command: str, there: bool
) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    url = f"{server.url}/{'events' if command == 'sse' else 'next'}?n=2"
    if there:
        assert main([command, url, "--resume", str(state), "-o", str(out)]) == 0
    before = state.read_text() if there else None
    capfd.readouterr()
    same = f"{tmp_path}/./state"
    assert main([command, url, "--resume", str(state), "-o", same]) == 2
    problem = f"anystream: argument -o/--output: {same!r} is also the file of --resume\n"
    assert capfd.readouterr() == ("", problem)
    assert (state.read_text() if state.exists() else None) == before


@posix
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pipe_is_read_as_it_fills(backend: str) -> None:
    with start("lines", "-", "--backend", backend, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(b"line\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"line\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT


def test_credentials_of_a_live_body_are_not_shown(
    server: Server, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "t0k3n")
    arguments = ["--bearer-env", "TOKEN", "-v", "-H", "Cookie: id=c00k1e"]
    for command, path in (("sse", "/nowhere"), ("lines", "/nowhere"), ("sse", "/lines")):
        url = f"{server.url.replace('//', '//me:p4ss@')}{path}?token=qu3ry"
        before = len(server.received)
        assert main([command, url, *arguments]) in (1, 3)
        assert server.received[before].headers["authorization"] == "Bearer t0k3n"
        shown = "".join(capfd.readouterr())
        assert server.url in shown
        for secret in ("t0k3n", "c00k1e", "p4ss", "qu3ry"):
            assert secret not in shown


def test_an_interruption_before_anything_runs(
    capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[int] = []
    monkeypatch.setattr("anystream._cli.signals.die", died.append)

    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anyio.run", interrupted)
    assert main(["lines", "-"]) == 130
    assert died == [signal.SIGINT]
    died.clear()
    monkeypatch.setattr("anystream._cli.live.LinesCommand", interrupted)
    assert main(["lines", "-"]) == 130
    assert died == [signal.SIGINT]
    assert capfd.readouterr() == ("", "")


def test_only_what_is_needed_is_imported(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("line\n")
    script = (
        "import contextlib, sys; from anystream._cli import main\n"
        "for line in sys.argv[1:]:\n"
        "    with contextlib.suppress(SystemExit): main(line.split())\n"
        "    print('imported', *{'h11', 'httpx', 'rich', 'trio'} & {*sys.modules})"
    )
    commands = ["--help", "pages --help", f"lines {tmp_path / 'in'}"]
    command = [sys.executable, "-c", script, *commands]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith("imported")]
    assert found == ["imported"] * 3
