"""The options of the commands: what they stand for, and what is said of bad ones."""

import io
from pathlib import Path
from typing import Any

import pytest

from anystream._cli import clients, main, parser, schemes, shown, values

URL = "https://api.example.com/users"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message for arguments that cannot be read."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    return err.splitlines()[-1].partition("error: ")[2]


NO_URL = "argument URL: {!r} is no URL that begins with http:// or https:// and has no spaces"
FORM = "argument --next: {!r} must be {}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("api.example.com", NO_URL.format("api.example.com")),
        ("ftp://example.com", NO_URL.format("ftp://example.com")),
        ("https://", NO_URL.format("https://")),
        ("https://u:pw@a b", NO_URL.format("https://***@a b")),
        ("https://[::1", "argument URL: 'https://[::1' is no URL: Invalid IPv6 URL"),
        (f"{URL} -H Accept", "argument -H/--header: it must be NAME: VALUE or @FILE"),
        (
            f"{URL} -H @/no/where",
            "argument -H/--header: '/no/where' cannot be read: No such file or directory",
        ),
        (f"{URL} -H X:ü", "argument -H/--header: the value of X must be printable ASCII"),
        (f"{URL} -X G(T", "argument -X/--method: 'G(T' is no HTTP method, such as GET or POST"),
        (f"{URL} -q a", "argument -q/--query: 'a' must be NAME=VALUE"),
        (
            f"{URL} -d {{",
            "argument -d/--data: the body must be JSON: Expecting property name"
            " enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (f"{URL} -d NaN", "argument -d/--data: the body must be JSON: NaN is not JSON"),
        (
            f"{URL} -d @/no/where",
            "argument -d/--data: '/no/where' cannot be read: No such file or directory",
        ),
        (f"{URL} -u :x", "argument -u/--user: it must be NAME, or NAME:PASSWORD"),
        (
            f"{URL} --max-items -1",
            "argument --max-items: '-1' must be a whole number of at least 0",
        ),
        (f"{URL} --max-pages 0", "argument --max-pages: '0' must be a whole number of at least 1"),
        (
            f"{URL} --concurrency x",
            "argument --concurrency: 'x' must be a whole number of at least 1",
        ),
        (f"{URL} --timeout 0", "argument --timeout: '0' must be a number of seconds, more than 0"),
        (f"{URL} --timeout s", "argument --timeout: 's' must be a number of seconds, more than 0"),
        (
            f"{URL} --timeout inf",
            "argument --timeout: 'inf' must be a number of seconds, more than 0",
        ),
        (f"{URL} --end-status 999", "argument --end-status: '999' is no HTTP status, such as 404"),
        (
            f"{URL} --rate 5",
            "argument --rate: '5' must be a number of requests in a second, a"
            " minute or an hour: 5/s, 100/m or 1000/h",
        ),
        (
            f"{URL} --rate 0/s",
            "argument --rate: '0/s' must be a number of requests in a second, a"
            " minute or an hour: 5/s, 100/m or 1000/h",
        ),
        (f"{URL} --page-size =5", "argument --page-size: '=5' must be N or PARAM=N"),
        (
            f"{URL} --page-size n=x",
            "argument --page-size: 'x' must be a whole number of at least 1",
        ),
        (
            f"{URL} --allow-origin https://u:pw@x",
            "argument --allow-origin: 'https://***@x' must be"
            " an origin alone, such as https://api.example.com",
        ),
        (
            f"{URL} --allow-origin {URL}",
            f"argument --allow-origin: {URL!r} must be an origin alone,"
            " such as https://api.example.com",
        ),
        (
            f"{URL} --next Link",
            "argument --next: 'Link' must begin with link, url, cursor, header,"
            " page, offset, last, keyset or graphql; --help shows the forms",
        ),
        (
            f"{URL} --next link:",
            "argument --next: 'link:' must begin with link, url, cursor,"
            " header, page, offset, last, keyset or graphql; --help shows the forms",
        ),
        (f"{URL} --next url", FORM.format("url", "url:PATH")),
        (f"{URL} --next link:a=b", FORM.format("link:a=b", "link[:REL]")),
        (f"{URL} --next page:=1", FORM.format("page:=1", "page[:PARAM[=START]]")),
        (f"{URL} --next page:p=x", "argument --next: 'x' must be a whole number of at least 0"),
        (f"{URL} --next cursor:a", FORM.format("cursor:a", "cursor:PATH=PARAM")),
        (f"{URL} --next cursor:a=body:", FORM.format("cursor:a=body:", "cursor:PATH=PARAM")),
        (f"{URL} --next last:=a", FORM.format("last:=a", "last:KEY=PARAM")),
        (f"{URL} --backend uvloop", "argument --backend: invalid choice: 'uvloop' (choose from"),
        (f"{URL} https://u:pw@x", "unrecognized arguments: https://***@x"),
        (f"{URL} --max 5", "unrecognized arguments: --max 5"),
    ],
)
def test_bad_values(capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    given = arguments.split(" ") if "a b" not in arguments else [arguments]
    assert refused(capsys, "pages", *given).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--resume", "x", "--slurp"), "argument --resume: not allowed with --slurp"),
        (("--resume", "x", "--dry-run"), "argument --resume: not allowed with --dry-run"),
        (("--total-pages", "n"), "argument --total-pages: only with --next page"),
        (("--end-status", "404", "--next", "link"), "argument --end-status: only with --next page"),
        (("--total", "n"), "argument --total: only with --next page or --next offset"),
        (
            ("--concurrency", "2"),
            "argument --concurrency: needs --next page with --total-pages, or"
            " --next offset with --total, to know all pages beforehand",
        ),
        (("--page-size", "5"), "argument --page-size: without --next it must be PARAM=N"),
    ],
)
def test_what_does_not_go_together(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert main(["pages", URL, *arguments]) == 2
    assert capsys.readouterr() == ("", f"anystream: {message}\n")


def options(*arguments: str) -> Any:
    return parser().parse_args(["pages", URL, *arguments])


def test_what_values_stand_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options("--rate", "100/m", "--page-size", "per_page=50", "-q", "a=b=c", "-q", "a=")
    assert given.rate == (100, 60)
    assert given.page_size == ("per_page", 50)
    assert given.query == [("a", "b=c"), ("a", "")]
    (tmp_path / "headers").write_text("X-A: 1\n\nX-B:2\n")
    given = options("-H", f"@{tmp_path / 'headers'}", "-H", "x-a:  3 ", "-X", "patch")
    assert given.header == [("X-A", "1"), ("X-B", "2"), ("x-a", "3")]
    assert clients.headers(given, [("Authorization", "x")]) == {
        "X-A": "1, 3",
        "X-B": "2",
        "Authorization": "x",
    }
    assert given.method == "PATCH"
    assert options("-u", "me").user == ("me", None)
    assert options("-u", "me:p:w").user == ("me", "p:w")
    assert options("-u", "me:").user == ("me", "")
    assert options("--allow-origin", "https://Other.org:8/").allow_origin == ["https://Other.org:8"]
    (tmp_path / "body").write_text('{"a": [1]}')
    assert options("-d", f"@{tmp_path / 'body'}").data == {"a": [1]}
    assert options("-d", "[2]").data == [2]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"3")))
    assert options("-d", "-").data == 3


def test_queries_are_added_to_a_url() -> None:
    assert clients.with_query("https://x/?a=1#f", [("b", "2 3")]) == "https://x/?a=1&b=2+3"
    assert clients.with_query("https://x/y", []) == "https://x/y"
    assert values.hidden("me:pw@host") == "***@host"
    assert values.hidden("/file@2") == "/file@2"


def test_each_command_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command, words in (
        ("pages", "graphql:PATH"),
        ("sse", "--last-event-id"),
        ("lines", "--max-line"),
    ):
        with pytest.raises(SystemExit) as raised:
            main([command, "--help"])
        assert raised.value.code == 0
        out = capsys.readouterr().out
        assert f"usage: anystream {command} " in out
        for part in (words, "exit codes:", "examples:", "credentials:"):
            assert part in out


def test_the_progress_line() -> None:
    count = shown.Count()
    assert count.text("items", 0) == ""
    count.pages, count.items = 3, 300
    assert count.text("items", 2.0) == "3 pages, 300 items, 150/s"
    count.total, count.retries, count.paused = 1_200, 2, 1.25
    assert count.text("items", 2.0) == (
        "3 pages, 300 of 1,200 items, 150/s, 2 retries, 1.2 s of pauses, 0:06 left"
    )
    count.items = 1_200
    assert count.text("items", 2.0).endswith("of pauses")
    assert shown.clock(3_725) == "1:02:05"


def test_what_is_said_when_no_line_is_shown_any_more(capsys: pytest.CaptureFixture[str]) -> None:
    shown.above("anystream: [late]")
    assert capsys.readouterr().err == "anystream: [late]\n"


FORMS = [
    ("link", "LinkHeader()"),
    ("link:more", "LinkHeader(rel='more')"),
    ("url:a.b=c", "NextURL(path='a.b=c')"),
    ("cursor:a=b=c", "Cursor(path='a=b', param='c')"),
    ("cursor:a=body:b.c", "Cursor(path='a', body='b.c')"),
    ("header:X-Next=c", "HeaderCursor(header='X-Next', param='c')"),
    ("page", "PageNumber(total_pages='n', total=Header('X-Total'), end_statuses=(404,))"),
    (
        "page:p=0",
        "PageNumber(param='p', start=0, total_pages='n', total=Header('X-Total'),"
        " end_statuses=(404,))",
    ),
    ("offset", "Offset(total=Header('X-Total'))"),
    ("offset:o=1", "Offset(param='o', total=Header('X-Total'), start=1)"),
    ("last:id=after", "LastItem(key='id', param='after')"),
    ("keyset:id=max_id", "LastItem(key='id', param='max_id', more=None)"),
    ("graphql:data.x", "GraphQL(path='data.x')"),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_forms_of_next(text: str, expected: str) -> None:
    total = schemes.place("header:X-Total")
    given = schemes.scheme(text)
    pages = schemes.place("n")
    built = schemes.build(given, total_pages=pages, total=total, end_statuses=(404,))
    assert repr(built) == expected
    assert schemes.build(given, page_size="limit").size == "limit"


def test_every_form_is_in_the_help() -> None:
    assert {text.partition(":")[0] for text, _ in FORMS} == {*schemes.KINDS}
    for kind in schemes.KINDS:
        assert schemes.form(kind) in schemes.FORMS
