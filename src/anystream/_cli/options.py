"""The options of `anystream pages`, `sse` and `lines`."""

import argparse
import re
from textwrap import indent
from typing import Any, NoReturn

from . import schemes, values

BACKENDS = ("asyncio", "trio")

EXIT_CODES = """\
exit codes:
  0 done, also at a --max-*; 1 bad data, or a fault of the pagination; 2 bad usage;
  3 an HTTP status that is an error; 4 the network; 130 interrupted; 141 closed pipe
"""

CREDENTIALS = """\
credentials:
  Name a variable with --bearer-env, use -n for what ~/.netrc has for the host, or -u NAME
  with the password in the variable ANYSTREAM_PASSWORD, in the netrc file with -n, or typed
  in. Or put any header into a file: -H @FILE. What stands on the command line itself can be
  seen by every user of the machine. No credential is shown in an error or by -v.
"""

PAGES = f"""\
how to find the next page (--next):
{indent(schemes.FORMS, "  ")}
Without --next, a Link header or a next URL at one of the usual places in the body is
followed; parameters are never guessed. PATH is a path in the JSON body: meta.next

{CREDENTIALS}
{EXIT_CODES}
examples:
  anystream pages https://api.github.com/repos/python/cpython/issues -q state=open \\
      --bearer-env GITHUB_TOKEN --max-items 500 | jq -r .title
  anystream pages https://slack.com/api/users.list --bearer-env SLACK_TOKEN \\
      --next cursor:response_metadata.next_cursor=cursor --items members
  anystream pages https://api.stripe.com/v1/charges -n --page-size limit=100 \\
      --next last:id=starting_after --items data --resume charges.state -o charges.ndjson
  anystream pages https://api.example.com/users --dry-run
"""

SSE = f"""\
{CREDENTIALS}
{EXIT_CODES}
examples:
  anystream sse https://stream.wikimedia.org/v2/stream/recentchange --max-events 10
  anystream sse https://api.example.com/events --resume last.state --data-only | jq .
"""

LINES = f"""\
{CREDENTIALS}
{EXIT_CODES}
examples:
  anystream lines https://api.example.com/export.ndjson --ndjson -o export.ndjson
  tail -f app.log | anystream lines - --ndjson | jq .level
"""


class Parser(argparse.ArgumentParser):
    """Does not show the password of a URL in its errors."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"//[^/\s'\"]*@", "//***@", message))


def add_commands(commands: Any) -> None:
    add_pages(commands)
    add_sse(commands)
    add_lines(commands)


def add(commands: Any, name: str, text: str, epilog: str, usage: str) -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        usage=f"anystream {name} {usage}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return sub


def add_pages(commands: Any) -> None:
    text = "write every item of a paginated API, one line of JSON each, as the server wrote it"
    sub = add(commands, "pages", text, PAGES, "URL [options]")
    sub.add_argument("url", metavar="URL", type=values.web_url, help="the first page")
    request_options(sub, live=False)
    group = sub.add_argument_group("pagination")
    option = group.add_argument
    option("--next", metavar="HOW", type=schemes.scheme, help="how to find the next page; below")
    option("--items", metavar="PATH", help="where in the body the list of items is")
    option("--total-pages", metavar="PLACE", help="where the number of pages is: PATH, header:NAME")
    option("--total", metavar="PLACE", help="where the number of items is: PATH, header:NAME")
    option(
        "--end-status",
        metavar="CODE",
        type=values.status,
        action="append",
        default=[],
        help="a status that ends page numbers, such as 404; may be repeated",
    )
    option(
        "--page-size",
        metavar="[PARAM=]N",
        type=values.page_size,
        help="items of a page to ask for, by PARAM or by the parameter of the scheme",
    )
    option("--dedupe", metavar="PATH", help="drop items whose value there has been before: id")
    option(
        "--allow-origin",
        metavar="ORIGIN",
        type=values.origin,
        action="append",
        default=[],
        help="another origin that a next URL may lead to, without credentials; may be repeated",
    )
    option("--max-items", metavar="N", type=values.integer(0), help="stop after so many items")
    option("--max-pages", metavar="N", type=values.integer(1), help="stop after so many pages")
    group = sub.add_argument_group("speed")
    option = group.add_argument
    option(
        "--prefetch",
        metavar="N",
        type=values.integer(0),
        default=1,
        help="pages to fetch ahead (1)",
    )
    option(
        "--concurrency",
        metavar="N",
        type=values.integer(1),
        default=1,
        help="pages to fetch at a time, if the total is known (1)",
    )
    option(
        "--rate", metavar="N/UNIT", type=values.rate, help="requests at most: 5/s, 100/m, 1000/h"
    )
    retry_options(sub, tries=4)
    group.add_argument(
        "--retry-post",
        action="store_true",
        help="repeat POST as well, for queries that change nothing",
    )
    group = output_options(sub)
    group.add_argument("--slurp", action="store_true", help="write one JSON array, item by item")
    group.add_argument(
        "--resume",
        metavar="FILE",
        help="keep the place in FILE after each page,"
        " and go on from there if it exists; -o appends then. Items of the last"
        " page may be repeated after a crash, none is left out",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="fetch one page and say what was detected"
    )


def add_sse(commands: Any) -> None:
    text = "write the events of a stream of server-sent events, one line of JSON each"
    sub = add(commands, "sse", text, SSE, "URL [options]")
    sub.add_argument("url", metavar="URL", type=values.web_url, help="the stream")
    request_options(sub, live=True)
    group = sub.add_argument_group("events")
    option = group.add_argument
    option("--data-only", action="store_true", help="write the data of the events as it is")
    option("--max-events", metavar="N", type=values.integer(0), help="stop after so many events")
    option("--last-event-id", metavar="ID", default="", help="begin after this event")
    option("--no-reconnect", action="store_true", help="stop at the end of the first connection")
    retry_options(sub, tries=None)
    group = output_options(sub)
    group.add_argument(
        "--resume",
        metavar="FILE",
        help="keep the id of the last event in FILE,"
        " and begin after it if it exists; -o appends then",
    )


def add_lines(commands: Any) -> None:
    text = "write the lines of a URL, a file or standard input, checked to be UTF-8"
    sub = add(commands, "lines", text, LINES, "URL|FILE|- [options]")
    sub.add_argument(
        "source",
        metavar="URL|FILE|-",
        type=values.source,
        help="where the lines come from; - is standard input",
    )
    request_options(sub, live=True)
    group = sub.add_argument_group("lines")
    option = group.add_argument
    option(
        "--ndjson",
        action="store_true",
        help="check that each line that is not blank is JSON, and write only those, as they are",
    )
    option(
        "--max-line",
        metavar="BYTES",
        type=values.integer(1),
        default=1_048_576,
        help="the longest line that is taken (1048576)",
    )
    output_options(sub)


def request_options(sub: argparse.ArgumentParser, *, live: bool) -> None:
    group = sub.add_argument_group("request")
    option = group.add_argument
    option(
        "-H",
        "--header",
        metavar="NAME: VALUE",
        type=values.header,
        action="extend",
        default=[],
        help="a header; @FILE for those in a file; may be repeated",
    )
    option(
        "-q",
        "--query",
        metavar="NAME=VALUE",
        type=values.query,
        action="append",
        default=[],
        help="a parameter of the query; may be repeated",
    )
    if not live:
        option("-X", "--method", type=values.method, help="the method (GET, or POST with -d)")
        option(
            "-d",
            "--data",
            metavar="JSON",
            type=values.body,
            help="a JSON body; @FILE for that of a file, - for standard input",
        )
    option(
        "-u",
        "--user",
        metavar="NAME[:PASSWORD]",
        type=values.user,
        help="basic authentication; better without the password, see below",
    )
    option("--bearer-env", metavar="VARIABLE", help="the environment variable with a bearer token")
    option(
        "-n",
        "--netrc",
        action="store_true",
        help="take name and password for the host from $NETRC or ~/.netrc, if they are there",
    )
    option("--netrc-file", metavar="FILE", help="the same from FILE")
    what = "a connection" if live else "a connection or for data"
    option(
        "--timeout",
        metavar="SECONDS",
        type=values.seconds,
        default=30.0,
        help=f"the longest wait for {what} (30)",
    )
    if live:
        option(
            "--read-timeout",
            metavar="SECONDS",
            type=values.seconds,
            help="how long a server may be silent before it counts as gone (for ever)",
        )


def retry_options(sub: argparse.ArgumentParser, *, tries: int | None) -> None:
    group = sub.add_argument_group("retries")
    shown = "without end" if tries is None else tries
    group.add_argument(
        "--retries",
        metavar="N",
        type=values.integer(0),
        default=tries,
        help=f"attempts after a failure, in a row ({shown})",
    )
    if tries is not None:
        group.add_argument(
            "--max-retry-after",
            metavar="SECONDS",
            type=values.seconds,
            default=120.0,
            help="give up where a server asks for a longer pause (120)",
        )


def output_options(sub: argparse.ArgumentParser) -> Any:
    group = sub.add_argument_group("output and running")
    option = group.add_argument
    option("-o", "--output", metavar="FILE", help="write there instead of to standard output")
    option(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show a line of progress on"
        " standard error (if that is a terminal, and the items go elsewhere)",
    )
    option("-v", "--verbose", action="store_true", help="tell of pages, retries and causes")
    option("--backend", choices=BACKENDS, default="asyncio", help="what to run on (asyncio)")
    return group
