"""Whether a function has changed the context of the task that calls it."""

import gc
from contextvars import Context, copy_context

from .contracts import MISSING


class ContextWatch:
    """The context of this task as it is now, to tell later whether that is what it was."""

    __slots__ = ("_root", "_then")

    def __init__(self) -> None:
        self._then = copy_context()
        self._root = root(self._then)

    def has_changed(self) -> bool:
        now = copy_context()
        if root(now) is self._root:
            return False
        if has_same_values(self._then, now):  # they were set, and reset
            self._then, self._root = now, root(now)
            return False
        return True


def root(context: Context) -> object:
    """What another one takes the place of with each change.

    Contexts can be compared as well, but that compares the values, by an `==` of the user's that
    may fail, or may call equal what differs. Where Python does not show it, none is the same.
    """
    parts = gc.get_referents(context)
    return parts[0] if len(parts) == 1 else parts


def has_same_values(then: Context, now: Context) -> bool:
    return len(then) == len(now) and all(
        then.get(variable, MISSING) is value for variable, value in now.items()
    )
