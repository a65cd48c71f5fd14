"""Whether a function has changed the context of the task that calls it.

Contexts can be compared, but that compares the values, by an `==` of the user's that may fail, or
may call equal what differs.
"""

from collections.abc import Callable
from contextvars import Context, copy_context
from gc import get_referents

from .contracts import MISSING

shows_root: bool = len(get_referents(copy_context())) == 1
"""Whether Python shows the one object that another takes the place of with each change."""


def watch_context() -> Callable[[], bool]:
    """What tells from now on whether the context of this task has changed.

    It is asked after each call of a function, so it has to be quick [map-10].
    """
    then = copy_context()
    root = get_referents(then)[0] if shows_root else None

    def has_changed() -> bool:
        nonlocal then, root
        now = copy_context()
        if shows_root and get_referents(now)[0] is root:
            return False
        if not has_same_values(then, now):
            return True
        if shows_root:  # what was set, and reset
            then, root = now, get_referents(now)[0]
        return False

    return has_changed


def has_same_values(then: Context, now: Context) -> bool:
    return len(then) == len(now) and all(
        then.get(variable, MISSING) is value for variable, value in now.items()
    )
