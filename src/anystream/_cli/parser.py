"""The command line: `anystream` and its commands, with their options."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from .. import __version__
from . import helps, schemes, values
from .options import BACKENDS, FileOption, output_options, request_options, retry_options
from .printing import printing

SHELLS = ("bash", "zsh", "fish")


class Parser(argparse.ArgumentParser):
    """Does not show the password of a URL in its errors, nor pass over those of its output."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        with printing():
            print(message, end="")

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"//[^/\s'\"]*@", "//***@", message))


def parser() -> Parser:
    root = Parser(
        "anystream",
        description="Streams for structured concurrency: APIs as lines of text.",
        epilog=helps.ROOT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"anystream {__version__}")
    commands = root.add_subparsers(dest="command", metavar="command")
    add_pages(commands)
    add_sse(commands)
    add_lines(commands)
    add_demo(commands)
    add_watch(commands)
    text = "print what makes a shell complete these commands and their options"
    sub = add(commands, "completion", text, helps.COMPLETION, "{bash,zsh,fish}")
    sub.add_argument("shell", choices=SHELLS, help="the shell that is to read it")
    return root


def add(commands: Any, name: str, text: str, epilog: str, usage: str) -> Parser:
    sub: Parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        usage=f"anystream {name} {usage}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return sub


def add_demo(commands: Any) -> None:
    text = "run five streams against a small local server on asyncio and on trio, and compare"
    sub = add(commands, "demo", text, helps.DEMO, "[options]")
    sub.add_argument("--backend", choices=BACKENDS, help="use only this one")
    output = sub.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON instead of a table")
    output.add_argument("--serve", action="store_true", help="only serve, for commands of yours")
    text = "for --serve (default: a free one)"
    sub.add_argument("--port", type=values.port, default=0, metavar="N", help=text)


def add_watch(commands: Any) -> None:
    text = "run an async function of yours, and serve a page that shows its pipelines"
    sub = add(commands, "watch", text, helps.WATCH, "MODULE:FUNCTION [options]")
    sub.add_argument("function", metavar="MODULE:FUNCTION", help="it is called without arguments")
    sub.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0], help="asyncio by default")
    text = "on 127.0.0.1 (8765; 0 is a free one)"
    sub.add_argument("--port", type=values.port, default=8765, metavar="N", help=text)


def add_pages(commands: Any) -> None:
    text = "write every item of a paginated API, one line of JSON each, as the server wrote it"
    sub = add(commands, "pages", text, helps.PAGES, "URL [options]")
    sub.add_argument("url", metavar="URL", type=values.web_url, help="the first page")
    request_options(sub, live=False)
    next_options(sub)
    option = sub.add_argument_group("limits").add_argument
    option("--max-items", metavar="N", type=values.integer(0), help="stop after N items")
    option("--max-pages", metavar="N", type=values.integer(1), help="stop after N pages")
    option(
        "--max-empty",
        metavar="N",
        type=values.integer(1),
        help="empty pages in a row that are an error if more follow",
    )
    option(
        "--max-page-bytes",
        metavar="N[K|M|G]",
        type=values.size,
        help="bytes of a page that are read at most",
    )
    option = sub.add_argument_group("speed").add_argument
    text = "pages to fetch ahead (1)"
    option("--prefetch", metavar="N", type=values.integer(0), default=1, help=text)
    text = "pages to fetch at a time, if the total is known (1)"
    option("--concurrency", metavar="N", type=values.integer(1), default=1, help=text)
    text = "requests at most: 5/s, 100/m, 1000/h"
    option("--rate", metavar="N/UNIT", type=values.rate, help=text)
    option = retry_options(sub, tries=4)
    text = "give up where a server asks for a longer pause (120)"
    option("--max-retry-after", metavar="SECONDS", type=values.seconds, default=120.0, help=text)
    text = "repeat POST as well, for queries that change nothing"
    option("--retry-post", action="store_true", help=text)
    option = output_options(sub)
    select_options(option)
    option("--slurp", action="store_true", help="write one JSON array, item by item")
    option(
        "--resume",
        metavar="FILE",
        action=FileOption,
        help="keep the place in FILE after each page, and continue from there if it exists;"
        " -o appends then. Items of the last page may be repeated after a crash, none is left out",
    )
    text = "fetch one page and say what was detected"
    option("--dry-run", action="store_true", help=text)


def next_options(sub: Parser) -> None:
    option = sub.add_argument_group("pagination").add_argument
    option("--next", metavar="HOW", type=schemes.scheme, help="how to find the next page; below")
    option("--items", metavar="PATH", help="where in the body the list of items is")
    text = "what says whether there is more: PATH, '!PATH' if true is the end, header:NAME"
    option("--more", metavar="PLACE", help=text)
    text = "where the following pages are asked for, for cursor"
    option("--next-url", metavar="URL", type=values.web_url, help=text)
    text = "where in the body the URL is that the next URL is added to, for url"
    option("--base", metavar="PATH", help=text)
    text = "what is sent, with {} for the number, for page and offset"
    option("--template", metavar="TEXT", type=values.template, help=text)
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
    option(
        "--same-origin",
        action="store_true",
        default=None,
        help="ask the origin of the first page for the path of each next URL, wherever that leads",
    )


def add_sse(commands: Any) -> None:
    text = "write the events of a stream of server-sent events, one line of JSON each"
    sub = add(commands, "sse", text, helps.SSE, "URL [options]")
    sub.add_argument("url", metavar="URL", type=values.web_url, help="the stream")
    request_options(sub, live=True)
    option = sub.add_argument_group("events").add_argument
    option("--data-only", action="store_true", help="write the data of the events as it is")
    option("--max-events", metavar="N", type=values.integer(0), help="stop after N events")
    option("--last-event-id", metavar="ID", default="", help="begin after this event")
    option(
        "--reconnect",
        action=argparse.BooleanOptionalAction,
        help="connect again when the connection ends (by default for GET and HEAD)",
    )
    retry_options(sub, tries=None)
    option = output_options(sub)
    option(
        "--resume",
        metavar="FILE",
        action=FileOption,
        help="keep the id of the last event in FILE, and begin after it if it exists;"
        " -o appends then",
    )


def add_lines(commands: Any) -> None:
    text = "write the lines of a URL, a file or standard input, checked to be UTF-8"
    sub = add(commands, "lines", text, helps.LINES, "URL|FILE|- [options]")
    sub.add_argument(
        "source",
        metavar="URL|FILE|-",
        type=values.source,
        action=FileOption,
        help="where the lines come from; - is standard input",
    )
    request_options(sub, live=True)
    option = sub.add_argument_group("lines").add_argument
    text = "check that each line that is not blank is JSON, and write only those, as they are"
    option("--ndjson", action="store_true", help=text)
    text = "the longest line that is taken (1048576)"
    option("--max-line", metavar="BYTES", type=values.integer(1), default=1_048_576, help=text)
    select_options(option)
    output_options(sub)


def select_options(option: Any) -> None:
    option(
        "--select",
        metavar="PATH,...",
        type=values.paths,
        action="extend",
        default=[],
        help="write only what each item has at PATH, or null; several are an object, or columns",
    )
    text = "write CSV, with the columns of --select or else the keys of the first item"
    option("--csv", action="store_true", help=text)
