"""`anystream pages`, over real sockets and in real processes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from argparse import Namespace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from server import Request, Server

from anystream._cli import main, signals
from anystream._cli.pages import PagesCommand
from anystream._cli.parser import parser
from anystream.http import IncompleteWarning

from .running import BACKENDS, HOSTILE, OBEYED, at_home, environment, run, server, start
from .small import Small, serving

__all__ = ["at_home", "server"]  # fixtures

pytestmark = pytest.mark.real_time

posix = pytest.mark.skipif(os.name == "nt", reason="is about signals and pipes of POSIX")


def expected(numbers: range) -> str:
    return "".join(f'{{"id": {n}, "name": "item {n}"}}\n' for n in numbers)


def ids(text: str | bytes) -> list[int]:
    assert text.endswith(b"\n" if isinstance(text, bytes) else "\n")
    return [json.loads(line)["id"] for line in text.splitlines()]


Capture = pytest.CaptureFixture[str]


# -- what is written ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/page", "--next page --items items"),
        ("/page", "--next page --total-pages total_pages --total total --concurrency 3"),
        ("/page", "--next page --total-pages header:X-WP-TotalPages"),
        ("/page?past=404", "--next page --end-status 404 --max-pages 9"),
        ("/offset", "--next offset --page-size 7 --total total"),
        ("/offset?cap=4", "--next offset"),
        ("/cursor", "--next cursor:next_cursor=cursor"),
        ("/cursor-more", "-X POST -d {} --next cursor:next_cursor=body:start_cursor"),
        ("/next", "--next url:next"),
        ("/next", ""),
        ("/odata", ""),
        ("/salesforce", "--prefetch 0"),
        ("/hal", "--items _embedded.items"),
        ("/jsonapi", "--rate 1000/s"),
        ("/link", "--next link"),
        ("/link", "--page-size size=6"),
        ("/header", "--next header:x-ms-continuationtoken=continuationToken"),
        ("/last", "--next last:id=starting_after"),
        ("/graphql", '-d {"query":"q"} --next graphql:data.repository.issues'),
    ],
)
def test_every_scheme(server: Server, capfd: Capture, path: str, options: str) -> None:
    assert main(["pages", server.url + path, *options.split()]) == 0
    assert capfd.readouterr() == (expected(range(1, 26)), "")


def test_newest_first(server: Server, capfd: Capture) -> None:
    assert main(["pages", f"{server.url}/keyset", "--next", "keyset:id=max_id"]) == 0
    assert ids(capfd.readouterr().out) == [*range(25, 0, -1)]


def test_a_process_writes_items_as_the_server_wrote_them(server: Server) -> None:
    arguments = ["pages", f"{server.url}/next?verbatim=1&n=9"]
    code, out, err = run(*arguments, env=environment(LC_ALL="C", PYTHONUTF8="0"))
    assert (code, err) == (0, "")
    lines = out.decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) == 9
    for text in (
        "12345678901234567890123",
        "1.10",
        "1e400",
        "-0.0",
        r'"\u00e9\ud83d\ude00"',
        r'"\ud800"',
        '1, "value": 2',
        '"\\/"  ,\t"more" :[ 1 ,2 ]',
    ):
        assert any(text in line for line in lines), text
    assert any('"lines"' in line and "1" in line for line in lines)


@pytest.mark.parametrize("backend", BACKENDS)
def test_parts_of_it(server: Server, capfd: Capture, backend: str) -> None:
    arguments = ["pages", f"{server.url}/next", "--backend", backend]
    for options, last in (("--max-items 12", 12), ("--max-pages 2", 20), ("--max-items 0", 0)):
        assert main([*arguments, *options.split()]) == 0
        assert capfd.readouterr() == (expected(range(1, last + 1)), "")


def test_queries_headers_and_bodies_are_sent(
    server: Server, capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "t0k")
    before = len(server.received)
    arguments = ["-q", "n=1", "-q", "n=2", "-H", "X-Trace: 1", "--bearer-env", "TOKEN"]
    assert main(["pages", f"{server.url}/cursor-more?size=5", "-d", '{"a": 1}', *arguments]) == 0
    request = server.received[before]
    assert request.method == "POST"
    assert request.target == "/cursor-more?size=5&n=1&n=2"
    assert json.loads(request.body) == {"a": 1}
    assert request.headers["x-trace"] == "1"
    assert request.headers["authorization"] == "Bearer t0k"
    assert request.headers["user-agent"].startswith("anystream/")


def test_an_array(server: Server, capfd: Capture) -> None:
    for count in (0, 1, 25):
        assert main(["pages", f"{server.url}/next?n={count}", "--slurp"]) == 0
        out = capfd.readouterr().out
        assert [item["id"] for item in json.loads(out)] == [*range(1, count + 1)]
        assert out.count("\n") == count + 2


def test_items_that_were_there_before(server: Server, capfd: Capture) -> None:
    overlapping = ["--next", "page:offset=0", "--max-pages", "4"]
    assert main(["pages", f"{server.url}/offset", *overlapping, "--dedupe", "id"]) == 0
    assert ids(capfd.readouterr().out) == [*range(1, 14)]


def test_a_file_in_place_of_standard_output(server: Server, capfd: Capture, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old\n")
    assert main(["pages", f"{server.url}/next", "-o", str(out)]) == 0
    assert capfd.readouterr() == ("", "")
    assert out.read_text() == expected(range(1, 26))


def test_a_file_stays_as_it_is_if_the_arguments_are_bad(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old\n")
    url = f"{server.url}/link"
    assert main(["pages", url, "-o", str(out), "--next", "link", "--page-size", "5"]) == 2
    assert out.read_text() == "old\n"


@pytest.mark.parametrize(
    ("path", "options", "lines"),
    [
        (
            "/next",
            (),
            [
                "scheme: url:next, detected",
                "items:  10, at results",
                'next:   {"url": "URL/next?start=10"}',
                "total:  not told",
            ],
        ),
        (
            "/link?n=4",
            (),
            [
                "scheme: none detected",
                "items:  4, at the top of the body",
                "answer: the end, since the Link header has no next page",
                "next:   none",
            ],
        ),
        ("/link", (), ["scheme: link, detected"]),
        (
            "/cursor",
            (),
            [
                "scheme: none detected",
                "answer: more, since 'next_cursor' is 'at+10/='",
                "next: unknown: there are more pages, since 'next_cursor' is 'at+10/=', but nothing"
                " says how to ask for them: pass --next cursor:next_cursor=cursor, with the API's"
                " own parameter, or --max-pages 1 if this page is all there is",
            ],
        ),
        (
            "/page",
            (),
            [
                "scheme: page --total-pages total_pages, detected",
                "answer: more, since 'total_pages' is 3",
                'next:   {"params": {"page": 2}}',
                "total:  25",
            ],
        ),
        (
            "/page",
            ("--next", "page"),
            ["scheme: page, as given", 'next:   {"params": {"page": 2}}'],
        ),
    ],
)
def test_a_dry_run(
    server: Server, capfd: Capture, path: str, options: tuple[str, ...], lines: list[str]
) -> None:
    before = len(server.requests)
    assert main(["pages", server.url + path, "--dry-run", *options]) == 0
    out, err = capfd.readouterr()
    assert not err
    shown = [" ".join(line.replace(server.url, "URL").split()) for line in out.splitlines()]
    assert shown[:2] == [f"url: URL{path}{'?page=1' if options else ''}", "status: 200"]
    assert {" ".join(line.split()) for line in lines} <= {*shown}
    assert len(server.requests) == before + 1


def test_a_dry_run_shows_nothing_that_a_terminal_would_obey(capfd: Capture) -> None:
    with serving(Small(b'{"data": [], "next": "/?\\u009b31m\\u202e"}')) as small:
        assert main(["pages", small.url, "--dry-run"]) == 0
    out = capfd.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())


def answering(body: object, kind: str = "application/json", **headers: str) -> Small:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Small(lambda _: (200, headers, content), kind)


LINE = f"{HOSTILE}\r\n"

HOSTILES = {
    "reason": Small(status=404, reason=f"No {HOSTILE}"),
    "reason of a retry": Small(status=503, reason=f"No {HOSTILE}"),
    "message": Small(json.dumps({"message": LINE}).encode(), status=400),
    "redirect": Small(lambda _: (302, {"Location": f"/{HOSTILE}"}, b"")),
    "next": answering({"items": [1], "next": f"/p{LINE}"}),
    "next that can be sent": answering({"items": [1], "next": "/\x9bPWNED"}),
    "next elsewhere": answering({"items": [1], "next": "http://other/\x9bPWNED"}),
    "next of no HTTP": answering({"items": [1], "next": f"x:{LINE}//"}),
    "link": answering([1], Link=f'</{HOSTILE}>; rel="next"'),
    "cursor": answering({"items": [1], "next_cursor": LINE}),
    "names": answering({LINE: [1], "others": [2]}),
    "failure": answering({"ok": False, "error": LINE}),
    "errors": answering({"errors": [{"message": LINE}]}),
    "type": answering(b"<html>", f"text/html{HOSTILE}"),
    "no JSON": answering(f"<html>{LINE}".encode()),
}


@pytest.mark.parametrize("options", ["-v", "--dry-run"])
@pytest.mark.parametrize("name", HOSTILES)
def test_nothing_of_a_server_but_its_items_acts_on_a_terminal(
    capfd: Capture, name: str, options: str
) -> None:
    with serving(HOSTILES[name]) as small:
        main(["pages", small.url, "--retries", "1", *options.split()])
    out, err = capfd.readouterr()
    assert "PWNED" in out + err or r"\x1b" in err
    assert not OBEYED.search(out + err)
    assert all(line.startswith("anystream: ") for line in err.splitlines())


def page(**attributes: Any) -> Any:
    return Namespace(**{"next": None, "error": None, "sign": "", **attributes})


@pytest.mark.parametrize(
    ("found", "options", "words"),
    [
        (
            page(answer="more", sign="'nextLink' is 'https://x/?p=2'", next={"url": "https://x"}),
            "",
            "more, since 'nextLink' is 'https://x/?p=2'",
        ),
        (page(answer="more", next={"params": {"page": 2}}), "--next page", "more"),
        (
            page(answer="end", sign="'has_more' is false"),
            "",
            "the end, since 'has_more' is false",
        ),
        (page(answer="end"), "--next link", "the end"),
        (page(answer="unknown"), "--next keyset:id=a", "nothing says whether there is more"),
        (
            page(answer="unknown", next={"params": {"page": 1, "q": "a b"}}),
            "",
            "nothing says; page numbers are tried: ?page=1&q=a+b",
        ),
        (
            page(answer="unknown", next={"params": {"p": 2}}),
            "--next page:p",
            "nothing says; the next page is tried: ?p=2",
        ),
        (
            page(answer="unknown", next={"json": {"page": 2}}),
            "--next page:body:page",
            'nothing says; the next page is tried: {"json": {"page": 2}}',
        ),
    ],
)
def test_a_dry_run_says_whether_there_is_more_and_why(found: Any, options: str, words: str) -> None:
    given = parser().parse_args(["pages", "http://x/", *options.split()])
    assert PagesCommand(given).answer(found) == words


def test_options_become_arguments(tmp_path: Path) -> None:
    def arguments(*options: str) -> dict[str, Any]:
        command = PagesCommand(parser().parse_args(["pages", "http://x/", *options]))
        command.request(command.options.url)
        return command.arguments()

    given = arguments("--max-empty", "3", "--max-page-bytes", "64M", "--same-origin", "-q", "a=b")
    assert given["base_url"] == "http://x/?a=b"
    assert given["max_empty"] == 3
    assert given["max_page_bytes"] == 64 * 1024**2
    assert given["same_origin"] is True
    plain = arguments()
    assert not {"max_empty", "max_page_bytes", "same_origin", "max_pages"} & {*plain}
    assert (plain["prefetch"], plain["method"], plain["texts"]) == (1, "GET", True)
    alone = arguments("--dry-run", "--prefetch", "9", "--max-pages", "9")
    assert (alone["max_pages"], alone["prefetch"]) == (1, 0)


@pytest.mark.parametrize("kind", [IncompleteWarning, RuntimeWarning])
def test_what_was_promised_and_has_not_come_is_a_line(
    server: Server, capfd: Capture, monkeypatch: pytest.MonkeyPatch, kind: type[Warning]
) -> None:
    def warns(*args: object) -> bytes:
        warnings.warn("the server told of 30 items,\x1b and 25 came", kind, stacklevel=2)
        return b"line\n"

    monkeypatch.setattr("anystream._cli.pages.PagesCommand.lines", warns)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert main(["pages", f"{server.url}/next?n=1"]) == 0
    message = "anystream: the server told of 30 items,\\x1b and 25 came\n"
    mine = kind is IncompleteWarning
    assert capfd.readouterr() == ("line\n", message if mine else "")
    assert len(caught) == (not mine)


# -- how it ends --------------------------------------------------------------------------------

FAULTS: list[tuple[str, str, int, int, str]] = [
    ("/next?fault=404", "", 3, 10, "page 2 of URL/next?fault=404&start=10: status 404 Not Found"),
    (
        "/next?fault=503&times=0",
        "--retries 1",
        3,
        10,
        "status 503 Service Unavailable: status 503 on demand (retry gave up after 2 attempts)",
    ),
    (
        "/next?fault=503&retry_after=500",
        "",
        3,
        10,
        "the server asks for a pause of 500 s, but --max-retry-after allows 120 s",
    ),
    (
        "/next?fault=cut&times=0",
        "--retries 0",
        4,
        10,
        "page 2 of URL/next?fault=cut&times=0&start="
        "10: RemoteProtocolError: peer closed connection",
    ),
    ("/next?fault=slow&delay=9", "--retries 0 --timeout 0.1", 4, 10, "start=10: ReadTimeout"),
    ("/next?fault=utf8", "--retries 0", 1, 10, "the body is not JSON"),
    ("/next?fault=listless", "", 1, 10, "the body has no list"),
    ("/next?fault=two&at=1", "", 1, 0, "say where the items are with --items"),
    ("/next?fault=loop", "", 1, 20, "which this run has asked for before"),
    ("/next?fault=origin", "", 1, 20, "; pass --allow-origin OTHER to ask it"),
    (
        "/cursor",
        "",
        1,
        10,
        "pass --next cursor:next_cursor=cursor, with the API's own parameter, or --max-pages 1",
    ),
    (
        "/graphql?fault=errors",
        '-d {"query":"q"} --next graphql:data.repository.issues',
        1,
        10,
        "GraphQL errors",
    ),
]


@pytest.mark.parametrize(("path", "options", "code", "count", "problem"), FAULTS)
def test_faults_end_it_after_the_items_before_them(
    server: Server, capfd: Capture, path: str, options: str, code: int, count: int, problem: str
) -> None:
    assert main(["pages", server.url + path, *options.split()]) == code
    out, err = capfd.readouterr()
    assert out == expected(range(1, count + 1))
    assert err.startswith("anystream: page ")
    assert err.count("\n") == 1
    assert problem in err.replace(server.url, "URL").replace(server.other_url, "OTHER")


def test_a_server_that_is_not_there(capfd: Capture) -> None:
    url = "http://127.0.0.1:9/users"
    assert main(["pages", url, "--retries", "1", "-v"]) == 4
    first, second, cause = capfd.readouterr().err.splitlines()
    assert first.startswith(f"anystream: page 1 of {url}: ConnectError: ")
    assert "; attempt 2 in " in first
    assert second.endswith("(retry gave up after 2 attempts)")
    assert cause.startswith("anystream:   because of ConnectError: ")


def test_retries_are_told_of(server: Server, capfd: Capture) -> None:
    assert main(["pages", f"{server.url}/next?fault=503&run=told", "-v"]) == 0
    out, err = capfd.readouterr()
    assert ids(out) == [*range(1, 26)]
    assert [line.split(": ", 2)[2].split(" in ")[0] for line in err.splitlines()] == [
        "10 items",
        "status 503 Service Unavailable: status 503 on demand; attempt 2",
        "10 items",
        "5 items",
    ]


def test_post_is_repeated_if_asked_for(server: Server, capfd: Capture) -> None:
    arguments = ["-d", "{}", "--next", "cursor:next_cursor=body:start_cursor"]
    assert main(["pages", f"{server.url}/cursor-more?fault=503&run=1", *arguments]) == 3
    url = f"{server.url}/cursor-more?fault=503&run=2"
    assert main(["pages", url, *arguments, "--retry-post"]) == 0


def test_a_file_that_is_full(server: Server, capfd: Capture) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("has no /dev/full")
    assert main(["pages", f"{server.url}/next", "-o", "/dev/full"]) == 1
    assert capfd.readouterr() == ("", "anystream: /dev/full: No space left on device\n")


def test_what_nobody_has_foreseen_has_a_traceback_if_asked_for(
    server: Server, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object) -> bytes:
        raise KeyError("oops")

    monkeypatch.setattr("anystream._cli.pages.PagesCommand.lines", fails)
    assert main(["pages", f"{server.url}/next"]) == 1
    assert capfd.readouterr().err == "anystream: KeyError: 'oops'\n"
    assert main(["pages", f"{server.url}/next", "-v"]) == 1
    assert "Traceback (most recent call last)" in capfd.readouterr().err


# -- pipes and signals --------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_closed_pipe(server: Server, backend: str) -> None:
    process = start("pages", f"{server.url}/next?n=1000000", "--backend", backend)
    assert process.stdout is not None
    assert process.stdout.readline() == b'{"id": 1, "name": "item 1"}\n'
    process.stdout.close()
    assert process.wait(10) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


@posix
def test_a_pipe_that_closes_while_the_server_is_silent(server: Server) -> None:
    with start("pages", f"{server.url}/next?fault=slow&delay=1000") as process:
        assert process.stdout is not None
        for _ in range(10):
            process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 141


@posix
@pytest.mark.parametrize(
    ("backend", "number"),
    [("asyncio", signal.SIGINT), ("asyncio", signal.SIGTERM), ("trio", signal.SIGINT)],
)
def test_a_signal_in_the_middle(
    server: Server, capfd: Capture, backend: str, number: signal.Signals, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    arguments = ["pages", f"{server.url}/next?n=30000", "--resume", str(state)]
    with start(*arguments, "--backend", backend) as process:
        assert process.stdout is not None
        out = b"".join(process.stdout.readline() for _ in range(100))
        process.send_signal(number)
        out += process.stdout.read()
        assert process.wait(10) == -number
        assert process.stderr is not None
        assert process.stderr.read() == b""
    first = ids(out)
    assert first == [*range(1, len(first) + 1)]
    assert 100 <= len(first) < 30_000
    assert main([*arguments, "--max-items", "20"]) == 0
    assert ids(capfd.readouterr().out) == [*range(len(first) + 1, len(first) + 21)]


@posix
def test_a_signal_while_nobody_reads(server: Server) -> None:
    with start("pages", f"{server.url}/big?pages=100&size=1000", "--next", "page") as process:
        assert process.stdout is not None
        line = process.stdout.readline()  # then the pipe fills up
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
        out = line + process.stdout.read()
    assert out.endswith(b"\n")
    assert ids(out) == [*range(1, out.count(b"\n") + 1)]


@posix
def test_a_signal_that_is_to_be_ignored(server: Server) -> None:
    script = (
        "trap '' INT; "  # inherited: the command ignores it then, too
        f"{sys.executable} -m anystream pages '{server.url}/next?n=300' | (kill -INT 0; wc -l)"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        start_new_session=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (b"300", b"")


SHOW_CURSOR = "\x1b[?25h"


@posix
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_signal_to_the_process_itself(
    server: Server, backend: str, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[int] = []

    def dies(number: int) -> None:
        died.append(number)
        print("died", file=sys.stderr)

    monkeypatch.setattr(signals, "die", dies)

    def interrupts(*args: object) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return b"last\n"

    monkeypatch.setattr("anystream._cli.pages.PagesCommand.lines", interrupts)
    arguments = ["pages", f"{server.url}/next", "--backend", backend, "--progress"]
    assert main(arguments) == 130
    assert died == [signal.SIGINT]
    out, err = capfd.readouterr()
    assert out == "last\n"
    assert err.replace("\r", "").endswith(f"{SHOW_CURSOR}died\n")


# -- going on -----------------------------------------------------------------------------------


def test_going_on(server: Server, capfd: Capture, tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    arguments = ["pages", f"{server.url}/next", "--resume", str(state), "-o", str(out)]
    for _ in range(2):
        assert main([*arguments, "--max-items", "8"]) == 0
        assert json.loads(state.read_text())["done"] is False
    assert out.read_text() == expected(range(1, 17))
    assert main(arguments) == 0
    assert out.read_text() == expected(range(1, 26))
    assert json.loads(state.read_text())["done"] is True
    assert capfd.readouterr() == ("", "")
    before = len(server.requests)
    assert main(arguments) == 0
    assert out.read_text() == expected(range(1, 26))
    remark = f"anystream: {state} says that all is done; remove it to begin again\n"
    assert capfd.readouterr() == ("", remark)
    assert len(server.requests) == before


def test_no_password_is_in_the_state(server: Server, capfd: Capture, tmp_path: Path) -> None:
    state, key = tmp_path / "state", tmp_path / "key"
    key.write_text("k3y-0f-file\n")
    url = server.url.replace("//", "//me:url-p4ss@") + "/next?token=qu3ry"
    arguments = ["pages", url, "-q", f"appid=@{key}", "-H", "X-API-Key: h3ader"]
    arguments += ["--resume", str(state)]
    assert main([*arguments, "--max-pages", "1"]) == 0
    kept = state.read_text()
    assert "start=10" in kept
    for secret in ("k3y-0f-file", "url-p4ss", "qu3ry", "h3ader"):
        assert secret not in kept
    before = len(server.received)
    assert main(arguments) == 0
    assert ids(capfd.readouterr().out) == [*range(1, 26)]
    assert server.received[before].target.startswith("/next?token=qu3ry&appid=k3y-0f-file&start=10")


def test_going_on_after_a_fault(server: Server, capfd: Capture, tmp_path: Path) -> None:
    arguments = ["--resume", str(tmp_path / "state"), "--retries", "0"]
    url = f"{server.url}/next?fault=500&run=going"
    assert main(["pages", url, *arguments]) == 3
    assert main(["pages", url, *arguments]) == 0
    assert ids(capfd.readouterr().out) == [*range(1, 26)]


def test_going_on_with_something_else(server: Server, capfd: Capture, tmp_path: Path) -> None:
    state = ["--resume", str(tmp_path / "state")]
    assert main(["pages", f"{server.url}/next", *state, "--max-items", "1"]) == 0
    capfd.readouterr()
    for url, more, why in (
        (f"{server.url}/link", [], f"it belongs to another URL, {server.url}/next"),
        (f"{server.url}/next", ["-q", "n=5"], "to other options, which change the requests"),
    ):
        assert main(["pages", url, *state, *more]) == 2
        out, err = capfd.readouterr()
        assert not out
        assert why in err


KILLS = int(os.environ.get("ANYSTREAM_KILLS", "5"))


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@posix
def test_killed_at_random_moments(server: Server, tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out"
    count = KILLS * 500
    arguments = ["pages", f"{server.url}/next?n={count}", "--resume", str(state), "-o", str(out)]
    choice = random.Random(5)
    killed = 0
    for number in range(KILLS):
        with start(*arguments, "--backend", BACKENDS[number % 2]) as process:
            if number % 5:  # every fifth one is killed while it starts
                written = size_of(out)
                while size_of(out) == written and process.poll() is None:
                    time.sleep(0.005)
            time.sleep(choice.uniform(0.0, 0.1))
            process.kill()
            killed += process.wait(10) == -signal.SIGKILL
    assert killed
    with start(*arguments) as process:
        assert process.wait() == 0
    assert json.loads(state.read_text())["done"] is True
    found = ids(out.read_bytes())
    assert {*found} == {*range(1, count + 1)}
    back = [after - before for before, after in pairwise(found) if after != before + 1]
    assert all(-10 < step <= 0 for step in back)  # to the beginning of the page, at most
    assert len(back) <= killed


# -- credentials --------------------------------------------------------------------------------

TOKENS = ("b34r3r-t0k3n", "k3y-0f-mine", "url-p4ss", "qu3ry-s3cr3t")

ENDINGS = [
    ("/next?fault=404", ""),
    ("/next?fault=503&times=0", "--retries 1"),
    ("/next?fault=cut&times=0", "--retries 1"),
    ("/next?fault=reset&times=0", "--retries 1"),
    ("/next?fault=slow&delay=9", "--retries 0 --timeout 0.1"),
    ("/next?fault=garbled", "--retries 0"),
    ("/next?fault=utf8", "--retries 0"),
    ("/next?fault=listless", ""),
    ("/next?fault=loop", ""),
    ("/next?fault=origin", ""),
    ("/next?fault=redirect-origin", ""),
    ("/nowhere", ""),
    ("/next", "--dry-run"),
    ("/next", "-o /no/where"),
    ("/next", "--resume /"),
    ("/next", "--next cursor:a=b"),
    ("/next", "--next page --page-size 7"),
    ("/next", "--items nowhere"),
    ("/next", ""),
]


@pytest.mark.parametrize(("path", "options"), ENDINGS)
def test_no_credential_is_shown(
    server: Server, capfd: Capture, monkeypatch: pytest.MonkeyPatch, path: str, options: str
) -> None:
    bearer, key, password, parameter = TOKENS
    url = server.url.replace("//", f"//me:{password}@") + path
    monkeypatch.setenv("TOKEN", bearer)
    arguments = ["-H", f"X-API-Key: {key}", "-q", f"api_key={parameter}", "--bearer-env", "TOKEN"]
    before, elsewhere = len(server.received), len(server.elsewhere)
    main(["pages", url, "-v", *arguments, *options.split()])
    shown = "".join(capfd.readouterr())
    assert shown
    for token in TOKENS:
        assert token not in shown
    for request in server.received[before : before + 1]:
        assert carried(request) == {bearer, key, parameter}
    for request in server.elsewhere[elsewhere:]:
        assert not carried(request)


def carried(request: Request) -> set[str]:
    text = str([request.target, *request.headers.values()])
    return {token for token in TOKENS if token in text}


def test_credentials_stay_at_home_where_another_origin_is_allowed(
    server: Server, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", TOKENS[0])
    before = len(server.elsewhere)
    arguments = ["--bearer-env", "TOKEN", "-H", f"X-API-Key: {TOKENS[1]}", "--allow-origin"]
    for fault in ("origin", "redirect-origin"):
        url = f"{server.url}/next?fault={fault}"
        assert main(["pages", url, *arguments, server.other_url]) == 0
    assert ids(capfd.readouterr().out) == [*range(1, 26)] * 2
    received = server.elsewhere[before:]
    assert received
    assert not any(carried(each) for each in received)


# -- progress -----------------------------------------------------------------------------------


def test_the_line_of_progress(server: Server, capfd: Capture) -> None:
    url = f"{server.url}/page?fault=503&run=progress"
    arguments = ["--next", "page", "--total-pages", "total_pages", "--total", "total"]
    assert main(["pages", url, *arguments, "--progress", "-v"]) == 0
    out, err = capfd.readouterr()
    assert ids(out) == [*range(1, 26)]
    assert "status 503 Service Unavailable: status 503 on demand; attempt 2 in " in err
    assert "3 pages, 25 of 25 items, " in err
    assert "1 retry, " in err


@pytest.mark.parametrize(
    ("shown", "options", "progress"),
    [
        ("out err", "", False),
        ("err", "", True),
        ("out err", "-o {}", True),
        ("out", "-o {}", False),
        ("err", "--no-progress", False),
    ],
)
def test_when_there_is_progress(
    server: Server,
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shown: str,
    options: str,
    progress: bool,
) -> None:
    for name in ("out", "err"):
        monkeypatch.setattr(f"sys.std{name}.isatty", lambda name=name: name in shown.split())
    given = options.format(tmp_path / "out").split()
    assert main(["pages", f"{server.url}/next", *given]) == 0
    assert ("25 items" in capfd.readouterr().err) is progress


def test_standard_error_may_be_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert main(["pages", f"{server.url}/nowhere"]) == 3
