"""What the command prints of its own: its help, its version, a script, a table.

A command line that is only parsed imports no stream, so what tells of an error is imported with it.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def printing() -> Generator[None, None, None]:
    """While this is open, standard output is printed to. Where that fails, the process ends."""
    if sys.stdout is None:
        from .endings import Code
        from .session import to_stderr

        to_stderr("anystream: standard output is closed")
        raise SystemExit(Code.USAGE)
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        raise SystemExit(failed(error)) from None


def failed(error: OSError) -> int:
    """Tell of an error of standard output, and give the exit code."""
    from .endings import Code
    from .session import to_stderr

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # or the rest would be an error at the exit
    os.close(nowhere)
    if isinstance(error, BrokenPipeError):
        return Code.CLOSED_PIPE
    to_stderr(f"anystream: standard output: {error.strerror}")
    return Code.DATA
