"""The options of the commands: what they stand for, and what is said of bad ones."""

import io
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import certifi
import pytest

from anystream._cli import clients, endings, main, schemes, shown, values
from anystream._cli.parser import parser

from .running import run

URL = "https://api.example.com/users"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message for arguments that cannot be read."""
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    return err.splitlines()[-1].partition("error: ")[2]


NO_URL = (
    "argument URL: {!r} must be a URL that begins with http:// or https:// and contains no spaces"
)
FORM = "argument --next: {!r} must be {}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("api.example.com", NO_URL.format("api.example.com")),
        ("ftp://example.com", NO_URL.format("ftp://example.com")),
        ("https://", NO_URL.format("https://")),
        ("https://u:pw@a b", NO_URL.format("https://***@a b")),
        ("https://[::1", "argument URL: 'https://[::1' is not a URL: Invalid IPv6 URL"),
        (f"{URL} -H Accept", "argument -H/--header: it must be NAME: VALUE or @FILE"),
        (
            f"{URL} -H @/no/where",
            "argument -H/--header: '/no/where' cannot be read: No such file or directory",
        ),
        (f"{URL} -H X:ü", "argument -H/--header: the value of X must be printable ASCII"),
        (f"{URL} -X G(T", "argument -X/--method: 'G(T' is not an HTTP method, such as GET or POST"),
        (f"{URL} -q a", "argument -q/--query: 'a' must be NAME=VALUE or NAME=@FILE"),
        (
            f"{URL} -q k=@/no/where",
            "argument -q/--query: '/no/where' cannot be read: No such file or directory",
        ),
        (
            f"{URL} --cacert /no/where",
            "argument --cacert: '/no/where' cannot be read: No such file or directory",
        ),
        (
            f"{URL} --cacert {__file__}",
            f"argument --cacert: {__file__!r} contains no certificates in the PEM format",
        ),
        (
            f"{URL} --cacert {certifi.where()} --insecure",
            "argument --insecure: not allowed with argument --cacert",
        ),
        (
            f"{URL} --proxy ftp://u:pw@x",
            "argument --proxy: 'ftp://***@x' must be a URL that begins with http://, https://,"
            " socks5:// or socks5h:// and contains no spaces",
        ),
        (f"{URL} --select a,,b", "argument --select: 'a,,b' must be PATH or PATH,PATH,..."),
        (
            f"{URL} --template n={{}}{{}}",
            "argument --template: 'n={}{}' must contain {} once, where the number goes",
        ),
        (
            f"{URL} --max-page-bytes 5T",
            "argument --max-page-bytes: '5T' must be a number of bytes, at least 1:"
            " 5000, 500K, 64M or 1G",
        ),
        (
            f"{URL} --max-page-bytes 0",
            "argument --max-page-bytes: '0' must be a number of bytes, at least 1:"
            " 5000, 500K, 64M or 1G",
        ),
        (f"{URL} --next cursor:a=header:", FORM.format("cursor:a=header:", "cursor:PATH=PARAM")),
        (f"{URL} --next page:body:", FORM.format("page:body:", "page[:PARAM[=START]]")),
        (f"{URL} --next params", FORM.format("params", "params:PATH")),
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
        (
            f"{URL} --end-status 999",
            "argument --end-status: '999' is not an HTTP status, such as 404",
        ),
        (
            f"{URL} --rate 5",
            "argument --rate: '5' must be a number of requests per second,"
            " minute or hour: 5/s, 100/m or 1000/h",
        ),
        (
            f"{URL} --rate 0/s",
            "argument --rate: '0/s' must be a number of requests per second,"
            " minute or hour: 5/s, 100/m or 1000/h",
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
            "argument --next: 'Link' must begin with link, url, cursor, header, params,"
            " page, offset, last, keyset or graphql; --help shows the forms",
        ),
        (
            f"{URL} --next link:",
            "argument --next: 'link:' must begin with link, url, cursor,"
            " header, params, page, offset, last, keyset or graphql; --help shows the forms",
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


ONLY_MORE = "only with --next url or --next cursor or --next params or --next last"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--resume", "x", "--slurp"), "argument --resume: not allowed with --slurp"),
        (("--resume", "x", "--dry-run"), "argument --resume: not allowed with --dry-run"),
        (("--total-pages", "n"), "argument --total-pages: only with --next page"),
        (("--end-status", "404", "--next", "link"), "argument --end-status: only with --next page"),
        (("--resume", "x", "--csv"), "argument --resume: not allowed with --csv"),
        (("--csv", "--slurp"), "argument --csv: not allowed with --slurp"),
        (("--dry-run", "--slurp"), "argument --slurp: not allowed with --dry-run"),
        (("--more", "m", "--next", "keyset:a=b"), f"argument --more: {ONLY_MORE}"),
        (("--next-url", URL), "argument --next-url: only with --next cursor"),
        (("--base", "b"), "argument --base: only with --next url"),
        (
            ("--template", "{}", "--next", "link"),
            "argument --template: only with --next page or --next offset",
        ),
        (("--total", "n"), "argument --total: only with --next page or --next offset"),
        (
            ("--concurrency", "2"),
            "argument --concurrency: needs --next page with --total-pages, or"
            " --next offset with --total, to know the number of pages in advance",
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
    ("link", "LinkHeader", (), {}),
    ("link:more", "LinkHeader", ("more",), {}),
    ("url:a.b=c", "NextURL", ("a.b=c",), {}),
    ("url:links[rel=next].href", "NextURL", ("links[rel=next].href",), {}),
    ("cursor:a=b=c", "Cursor", ("a=b",), {"param": "c"}),
    ("cursor:a=body:b.c", "Cursor", ("a",), {"body": "b.c"}),
    ("cursor:a=header:X-B", "Cursor", ("a",), {"header": "X-B"}),
    ("header:X-Next=c", "HeaderCursor", ("X-Next",), {"param": "c"}),
    ("header:Next-Range=header:Range", "HeaderCursor", ("Next-Range",), {"to_header": "Range"}),
    ("header:X-Next=body:c", "HeaderCursor", ("X-Next",), {"param": "body:c"}),
    ("params:continue", "NextParams", ("continue",), {}),
    ("page", "PageNumber", (), {}),
    ("page:p=0", "PageNumber", (), {"param": "p", "start": 0}),
    ("page:body:a.p", "PageNumber", (), {"body": "a.p"}),
    ("page:body:p=2", "PageNumber", (), {"body": "p", "start": 2}),
    ("offset", "Offset", (), {}),
    ("offset:o=1", "Offset", (), {"param": "o", "start": 1}),
    ("offset:body:from", "Offset", (), {"body": "from"}),
    ("last:id=after", "LastItem", ("id",), {"param": "after"}),
    ("last:id+1=after", "LastItem", ("id",), {"param": "after", "add": 1}),
    ("keyset:id=max_id", "LastItem", ("id",), {"param": "max_id", "more": None}),
    ("keyset:sort=body:after", "LastItem", ("sort",), {"body": "after", "more": None}),
    ("keyset:u.id+10=o", "LastItem", ("u.id",), {"param": "o", "add": 10, "more": None}),
    ("graphql:data.x", "GraphQL", ("data.x",), {}),
]


@pytest.mark.parametrize(("text", "name", "places", "keywords"), FORMS)
def test_forms_of_next(
    text: str, name: str, places: tuple[str, ...], keywords: dict[str, Any]
) -> None:
    given = options("--next", text)
    assert schemes.arguments(given.next, given) == (name, [*places], keywords)
    sized = {**keywords, "size": "limit"}
    assert schemes.arguments(given.next, given, "limit") == (name, [*places], sized)


@pytest.mark.parametrize(
    ("text", "others", "expected"),
    [
        ("link", "", "LinkHeader()"),
        ("link:more", "", "LinkHeader(rel='more')"),
        ("url:a.b=c", "", "NextURL(path='a.b=c')"),
        ("cursor:a=b=c", "", "Cursor(path='a=b', param='c')"),
        ("cursor:a=body:b.c", "--more d", "Cursor(path='a', body='b.c', more='d')"),
        ("header:X-Next=c", "", "HeaderCursor(header='X-Next', param='c')"),
        (
            "page:p=0",
            "--total-pages n --total header:X-Total --end-status 404",
            "PageNumber(param='p', start=0, total_pages='n', total=Header('X-Total'),"
            " end_statuses=(404,))",
        ),
        (
            "offset:o=1",
            "--total header:X-Total",
            "Offset(param='o', total=Header('X-Total'), start=1)",
        ),
        ("last:id=after", "", "LastItem(key='id', param='after')"),
        ("last:id=after", "--more m", "LastItem(key='id', param='after', more='m')"),
        ("keyset:id=max_id", "", "LastItem(key='id', param='max_id', more=None)"),
        ("graphql:data.x", "", "GraphQL(path='data.x')"),
    ],
)
def test_what_next_stands_for(text: str, others: str, expected: str) -> None:
    given = options("--next", text, *others.split())
    assert repr(schemes.build(given.next, given)) == expected


def test_what_other_options_say_of_a_scheme() -> None:
    given = options("--next", "cursor:cursor=body:cursor", "--next-url", f"{URL}/more")
    assert schemes.arguments(given.next, given)[2] == {"body": "cursor", "url": f"{URL}/more"}
    given = options("--next", "url:_links.next", "--base", "_links.base", "--more", "more")
    assert schemes.arguments(given.next, given)[2] == {"base": "_links.base", "more": "more"}
    given = options("--next", "offset:query=1", "--template", "select * startposition {}")
    template = {"param": "query", "start": 1, "template": "select * startposition {}"}
    assert schemes.arguments(given.next, given)[2] == template


@pytest.mark.parametrize(
    ("call", "form"),
    [
        ("LinkHeader()", "link"),
        ("LinkHeader(rel='more')", "link:more"),
        ("NextURL()", "url:next"),
        ("NextURL('a.b')", "url:a.b"),
        ("NextURL(path='links[rel=next].href', more='m')", "'url:links[rel=next].href' --more m"),
        ("NextParams('continue')", "params:continue"),
        ("Cursor('a', param='b')", "cursor:a=b"),
        ("Cursor(path='a', body='b.c', more='m n')", "cursor:a=body:b.c --more 'm n'"),
        ("Cursor('a', header='X', url='http://x/')", "cursor:a=header:X --next-url http://x/"),
        ("HeaderCursor('X-Next', 'c')", "header:X-Next=c"),
        ("HeaderCursor(header='N', to_header='R')", "header:N=header:R"),
        ("PageNumber('p', 0)", "page:p=0"),
        ("PageNumber(start=0)", "page:page=0"),
        (
            "PageNumber(total_pages=Header('X-Pages'), total='t')",
            "page --total-pages header:X-Pages --total t",
        ),
        ("PageNumber(body='p', template='n {}')", "page:body:p --template 'n {}'"),
        ("Offset(total='total')", "offset --total total"),
        ("Offset('o', size='limit', start=1)", "offset:o=1"),
        ("LastItem('id', 'after', more='more')", "last:id=after --more more"),
        ("LastItem(key='id', param='after', more=None, add=1)", "keyset:id+1=after"),
        ("GraphQL(path='data.x', after='c')", "graphql:data.x"),
        ("Numbering()", "page"),
        ("Mine('a')", "Mine('a')"),
        ("<function at 0x1>", "<function at 0x1>"),
    ],
)
def test_a_scheme_in_python_is_said_in_options(call: str, form: str) -> None:
    assert schemes.form_of(call) == form
    message = endings.as_options(f"nothing is at 'a': pass next={call}, or max_pages=1")
    if call[0] != "<":
        assert message == f"nothing is at 'a': pass --next {form}, or --max-pages 1"


def test_every_form_is_in_the_help() -> None:
    assert {text.partition(":")[0] for text, *_ in FORMS} == {*schemes.CLASSES}
    for kind in schemes.CLASSES:
        assert schemes.form(kind) in schemes.FORMS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-d", "-", "-d", "-"), "argument -d/--data: it is given twice, but a request has one"),
        (("-d", "{}", "-d", "{}"), "argument -d/--data: it is given twice, but a request has one"),
        (("-d", "@-", "-H", "@-"), "argument -H/--header: standard input is read by -d/--data al"),
        (("-q", "a=@-", "-d", "-"), "argument -d/--data: standard input is read by -q/--query al"),
        (("-H", "@-", "-H", "@-"), "argument -H/--header: standard input is read by -H/--header"),
    ],
)
@pytest.mark.parametrize("command", ["pages", "sse", "lines"])
def test_standard_input_is_for_one_option(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    content = "{}" if arguments[0] == "-d" else "X-A: 1"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert refused(capsys, command, URL, *arguments).startswith(message)


@pytest.fixture
def pipe() -> Generator[int, None, None]:
    """What has a JSON document to read, once."""
    out, into = os.pipe()
    os.write(into, b"{}")
    os.close(into)
    yield out
    os.close(out)


SAME_PIPE = pytest.mark.skipif(os.name == "nt", reason="a pipe has no name there")


@SAME_PIPE
@pytest.mark.parametrize("other", [("-H", "@{}"), ("--netrc-file", "{}"), ("-q", "a=@{}")])
def test_a_pipe_is_for_one_option(
    capsys: pytest.CaptureFixture[str], pipe: int, other: tuple[str, str]
) -> None:
    name = f"/dev/fd/{pipe}"  # as a shell writes <(command)
    message = refused(capsys, "pages", URL, "-d", f"@{name}", other[0], other[1].format(name))
    assert message.endswith(f": {name!r} is read by -d/--data already, and has no more")


def test_a_file_that_is_missing_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "pages", URL, "--netrc-file", "missing", "-H", "@missing too")
    assert message.startswith("argument -H/--header: 'missing too' cannot be read: ")


@SAME_PIPE
def test_standard_input_has_several_names(pipe: int) -> None:
    code, out, err = run("pages", URL, "-d", "-", "-H", "@/dev/stdin", stdin=pipe)
    assert (code, out) == (2, b"")
    assert "argument -H/--header: standard input is read by -d/--data already" in err


@pytest.mark.parametrize(
    "arguments", [("-d", "@{}"), ("-H", "@{}"), ("-q", "a=@{}"), ("--cacert", "{}")]
)
@pytest.mark.parametrize("name", ["in", "link"])
def test_no_input_is_replaced_by_the_output(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, str], name: str
) -> None:
    path, link = tmp_path / "in", tmp_path / "link"
    content = {"@{}": '{"a": 1}', "{}": Path(certifi.where()).read_text()}.get(arguments[1], "")
    path.write_text(content if arguments[0] != "-H" else "X-A: 1")
    link.symlink_to(path)
    before = path.read_text()
    given = (arguments[0], arguments[1].format(path))
    assert main(["pages", URL, *given, "-o", str(tmp_path / name)]) == 2
    assert f"{name}' is also the file of {arguments[0]}" in capfd.readouterr().err
    assert path.read_text() == before


@pytest.mark.parametrize("arguments", [("-n",), ("-n", "-u", "me"), ("--netrc-file", "{}")])
def test_the_netrc_file_is_not_replaced_by_the_output(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine other login me password pw")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    given = [each.format(path) for each in arguments]
    assert main(["pages", URL, *given, "-o", str(path)]) == 2
    assert "is also the " in capfd.readouterr().err
    assert "password pw" in path.read_text()


def test_standard_input_is_not_replaced_by_the_output(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("{}")
    with path.open("rb") as file:
        code, out, err = run("pages", URL, "-d", "-", "-o", str(path), stdin=file)
    assert (code, out) == (2, b"")
    assert "is also the file of -d/--data" in err
    assert path.read_text() == "{}"
