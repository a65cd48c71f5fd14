"""The command `anystream`, which needs `pip install 'anystream[cli]'`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from .. import __version__
from .options import BACKENDS, Parser, add_commands

NEEDED = ("h11", "httpx", "rich", "trio")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default the process's) and give its exit code.

    Raises `SystemExit` as `argparse` does: for `--help` and `--version`, and with 2 for arguments
    that it cannot read.
    """
    options = parser().parse_args(argv)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"anystream {options.command} needs {' and '.join(missing)}:"
            " pip install 'anystream[cli]'",
            file=sys.stderr,
        )
        return 2
    if options.command != "demo":
        return run_command(options)
    if options.serve:
        from .standalone import run_server

        return run_server(options.backend or BACKENDS[0], options.port)
    return run_demo([options.backend] if options.backend else BACKENDS, as_json=options.json)


def parser() -> argparse.ArgumentParser:
    root = Parser("anystream", description="Streams for structured concurrency.")
    root.add_argument("--version", action="version", version=f"anystream {__version__}")
    commands = root.add_subparsers(dest="command", metavar="command", required=True)
    text = "run five streams against a small local server on asyncio and on trio, and compare"
    sub = commands.add_parser(
        "demo",
        help=text,
        description=f"{text.capitalize()}: what they yield, how they end, and what stays open.",
        epilog="Exits with 0 if the backends agree and nothing stays open, with 1 otherwise;"
        " with --serve it goes on until it is interrupted, and exits with 130.",
    )
    sub.add_argument("--backend", choices=BACKENDS, help="use only this one")
    output = sub.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON instead of a table")
    output.add_argument("--serve", action="store_true", help="only serve, for commands of yours")
    sub.add_argument(
        "--port", type=port, default=0, metavar="N", help="for --serve (default: a free one)"
    )
    add_commands(commands)
    return root


def port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**16:
        raise ValueError
    return number


def run_command(options: argparse.Namespace) -> int:
    from . import live, pages, session

    try:
        return pages.run(options) if options.command == "pages" else live.run(options)
    except KeyboardInterrupt:  # while a password is typed, say
        return session.interrupted(signal.SIGINT)


def run_demo(backends: Sequence[str], *, as_json: bool) -> int:
    from . import report
    from .demo import SCENARIOS, run_all

    os.environ["no_proxy"] = "*"  # httpx would ask a proxy for the local server, too
    with report.progress(len(SCENARIOS) * len(backends)) as step:
        results = run_all(SCENARIOS, backends, step)
    show = report.print_json if as_json else report.print_table
    show(results)
    return 1 if any(result.problems for result in results) else 0
