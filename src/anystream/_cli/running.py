"""From the command line to what runs it; each command is imported when it is asked for."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from .options import BACKENDS
from .parser import parser
from .printing import printing

NEEDED = ("h11", "httpx", "rich", "shtab", "trio")


def run(argv: Sequence[str] | None) -> int:
    root = parser()
    options = root.parse_args(argv)
    if options.command is None:
        root.print_help()
        return 0
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"anystream {options.command} needs {' and '.join(missing)}:"
            " pip install 'anystream[cli]'",
            file=sys.stderr,
        )
        return 2
    match options.command:
        case "completion":
            import shtab

            script = shtab.complete(root, options.shell)
            with printing():
                print(script)
            return 0
        case "demo":
            return demo(options)
        case "watch":
            from ..watch.program import run_watched

            return run_watched(options.function, options.backend, options.port)
        case "pages":
            from .pages import PagesCommand

            return PagesCommand(options).main()
        case _:
            from .live import EventsCommand, LinesCommand

            return (EventsCommand if options.command == "sse" else LinesCommand)(options).main()


def demo(options: argparse.Namespace) -> int:
    if options.serve:
        from .standalone import run_server

        return run_server(options.backend or BACKENDS[0], options.port)
    return run_demo([options.backend] if options.backend else BACKENDS, as_json=options.json)


def run_demo(backends: Sequence[str], *, as_json: bool) -> int:
    from . import report
    from .demo import SCENARIOS, run_all

    os.environ["no_proxy"] = "*"  # httpx would ask a proxy for the local server, too
    results = run_all(SCENARIOS, backends)
    show = report.print_json if as_json else report.print_table
    with printing():
        show(results)
    return 1 if any(result.problems for result in results) else 0
