"""What tests stand on.

clock.py    virtual time on both backends, and an error instead of a hang
leaks.py    what a piece of code left behind
tasks.py    which tasks run, on either backend
sweep.py    a program cancelled at each of its suspensions, or steps of any task, in turn
sources.py  sources that count what is done to them
"""

from .clock import Deadlock as Deadlock
from .clock import backend as backend
from .leaks import KINDS as KINDS
from .leaks import Leak as Leak
from .leaks import LeakWatch as LeakWatch
from .sources import TrackedSource as TrackedSource
from .sweep import MODES as MODES
from .sweep import SEEDS as SEEDS
from .sweep import Cut as Cut
from .sweep import Mode as Mode
from .sweep import assert_sound as assert_sound
from .sweep import count_suspensions as count_suspensions
from .sweep import drive as drive
from .sweep import every_cut as every_cut
from .sweep import every_cut_anywhere as every_cut_anywhere
from .sweep import scheduled as scheduled
from .tasks import current_task as current_task
from .tasks import running_tasks as running_tasks
