"""Ending by a signal. To be imported at any moment, so it needs nothing but the system."""

import os
import signal

WINDOWS = os.name == "nt"

SIGNALS = () if WINDOWS else (signal.SIGINT, signal.SIGTERM)
"""What is received. On Windows there is nothing to receive it with, but `KeyboardInterrupt`."""


def ignored(number: signal.Signals) -> bool:
    """Whether the signal is to be ignored, as `nohup` and shells ask for in the background."""
    return signal.getsignal(number) is signal.SIG_IGN


def interrupted(number: int = signal.SIGINT) -> int:
    if not WINDOWS:  # where a process cannot end like that
        die(number)
    return 128 + number


def die(number: int) -> None:
    """End as if the signal had not been handled, so that a shell script ends with us."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
