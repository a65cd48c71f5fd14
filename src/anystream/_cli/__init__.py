"""The command `anystream`, which needs `pip install 'anystream[cli]'`."""

import signal
from collections.abc import Sequence

from . import signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default the process's) and give its exit code.

    Raises `SystemExit` as `argparse` does: for `--help` and `--version`, and with 2 for arguments
    that it cannot read.
    """
    try:
        from .running import run  # here, so that Ctrl-C is heeded while it is imported

        return run(argv)
    except KeyboardInterrupt:  # while a password is typed, say
        return signals.interrupted(signal.SIGINT)
