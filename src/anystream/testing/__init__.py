"""What tests of streams stand on, for pytest and anyio's plugin for it.

plugin.py      for `pytest_plugins`: the two fixtures that async tests get, and their markers
clock.py       virtual time on both backends
waits.py       who waits for what, and an error that says so instead of a hang
leaks.py       what a piece of code left behind
sources.py     sources that count what is done to them
diagrams.py    streams from timelines, and timelines from streams
everywhere.py  a program cancelled at each point that it has, as one call
operators.py   what holds for any operator, tried on one of a user's own
sweep.py       the same as a loop, for other verdicts than one
tasks.py       which tasks run, on either backend
_trio.py       what needs trio
"""

from .clock import backend
from .diagrams import MarbleError, assert_marbles, marbles, recorded
from .everywhere import cancel_everywhere
from .leaks import Leak, LeakWatch
from .operators import check_operator
from .sources import TrackedSource
from .sweep import MODES, Cut, Mode, every_cut, every_cut_anywhere
from .waits import Deadlock

__all__ = [
    "MODES",
    "Cut",
    "Deadlock",
    "Leak",
    "LeakWatch",
    "MarbleError",
    "Mode",
    "TrackedSource",
    "assert_marbles",
    "backend",
    "cancel_everywhere",
    "check_operator",
    "every_cut",
    "every_cut_anywhere",
    "marbles",
    "recorded",
]
