"""The command `anystream`, which needs `pip install 'anystream[cli]'`."""

TYPE_CHECKING = False  # without `typing`: Ctrl-C shows a traceback until `main` runs
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run the command with these arguments (by default the process's) and give its exit code.

    Raises `SystemExit` as `argparse` does: for `--help` and `--version`, with 2 for arguments that
    it cannot read, and where it cannot print to standard output.
    """
    try:
        from .running import run

        return run(argv)
    except KeyboardInterrupt:  # during an import, or while a password is typed
        from .signals import interrupted

        return interrupted()
