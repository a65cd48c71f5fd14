"""A trio task that has been interrupted, so that no scope of the user's catches that.

A trio scope that is cancelled itself catches each `Cancelled`, unless it sees that a scope around
it is cancelled as well. Behind the shield of a cleanup it does not see ours. And scopes get
cancelled then: a nursery by every exception in it, also by our own, and others by their deadlines.
"""

import warnings
from functools import cache
from types import CodeType
from typing import Any

import trio
from trio.lowlevel import current_task

from .contracts import Innermost
from .siblings import parted

TASK = ("_cancel_status",)
STATUS = ("effectively_cancelled", "_scope", "parent", "children", "recalculate")
NURSERY = ("_cancel_status", "_nested_child_running", "_pending_excs")
"""The private names of trio's that are used here, and nowhere else."""


def private(owner: Any, name: str) -> Any:
    """An attribute of trio's that is not public."""
    return getattr(owner, name)


@cache
def are_known() -> bool:
    """Whether trio has all of these names; asked once, in the task of a producer."""
    try:
        task: Any = current_task()
        for owner, names in (
            (task, TASK),
            (private(task, *TASK), STATUS),
            (task.parent_nursery, NURSERY),
        ):
            for name in names:
                private(owner, name)
    except AttributeError as exc:
        warnings.warn(
            f"this version of trio has other internals ({exc}): when the stream is left, a cancel"
            " scope that a source holds across a yield may cut its cleanup short",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


MARKS = ("_core", "_ki", "_CODE_KI_PROTECTION_STATUS_WMAP")
"""Where trio keeps the code that is protected from Ctrl-C, and the code that is not."""


def is_marked(code: CodeType) -> bool:
    """Whether its author has told trio what Ctrl-C may do to it.

    If that is not to be found out it counts as marked: then Ctrl-C comes later, and no worse.
    """
    try:
        marks: Any = trio
        for name in MARKS:
            marks = private(marks, name)
        marks[code]
    except KeyError:
        return False
    except (AttributeError, TypeError):
        return True
    return True


def exits(nursery: Any) -> bool:
    """Whether the block of the nursery has been left, and only its children are waited for."""
    return not nursery._nested_child_running


def is_innermost(scope: Any) -> bool:
    """Whether no scope is open in this task that was entered after this one."""
    inner: Any = getattr(scope, "_CancelScope__original", scope)  # that of a nursery is trio's own
    try:
        return bool(private(current_task(), *TASK) is private(inner, *TASK))
    except AttributeError:
        return True  # as it nearly always is


def innermost() -> Innermost:
    """What tells this task, and the scope that it is in, from all others."""
    task = current_task()
    try:
        return task, private(task, *TASK)
    except AttributeError:
        return task, None


def has_entered_since(then: Innermost) -> bool:
    """Whether a scope is open in this task that was entered inside of what was innermost then."""
    task, inner = innermost()
    status: Any = inner
    while status is not None and status is not then[1]:
        status = status.parent
    return task is then[0] and status is not None and inner is not status


def is_shielded(scope: Any) -> bool:
    """Nothing asks here: `is_told` sees it in the outcome that resumes a task."""
    return False


def open_in(task: Any) -> list[Any]:
    """The states of the scopes that are open in the task of a producer, from the innermost one."""
    statuses: list[Any] = []
    status = task._cancel_status
    while status is not None and status is not task.parent_nursery._cancel_status:
        statuses.append(status)
        status = status.parent
    return statuses[:-2]  # without those of the producer


def is_told(outcome: Any, kind: type[BaseException]) -> bool:
    """Whether this task is about to see our interruption, now that it resumes with this outcome.

    Behind a shield it does not: a cancellation there is of a scope inside it, such as trio's
    `sleep` has to end itself. And nothing is thrown into a task while it waits for the children of
    a nursery. It leaves that with their cancellation.
    """
    task = current_task()
    if any(status._scope.shield for status in open_in(task)):
        return False
    if isinstance(getattr(outcome, "error", None), kind):
        return True
    nurseries: list[Any] = list(task.child_nurseries)
    return (
        bool(nurseries)
        and exits(nurseries[-1])
        and any(parted(error, kind)[0] is not None for error in nurseries[-1]._pending_excs)
    )


class Unwinding:
    """What was open in this task when it was interrupted.

    These scopes do not catch any more. What cancels them is held off where it comes from our own
    interruption: it has told the children of a nursery as well, and that they end must not cut
    short the cleanup in its block. So until the block is left the nursery has another scope to
    cancel.
    """

    __slots__ = ("held", "opened")

    def __init__(self) -> None:
        task: Any = current_task()
        nurseries: dict[Any, Any] = {each.cancel_scope: each for each in task.child_nurseries}
        self.opened: list[tuple[Any, Any]] = [
            (status, nurseries.get(status._scope)) for status in open_in(task)
        ]
        self.held: list[tuple[Any, Any]] = []
        for scope, nursery in nurseries.items():
            self.held.append((nursery, scope))
            nursery.cancel_scope = trio.CancelScope()

    def goes_on(self) -> None:
        """The task is about to resume, and may leave scopes: let none of them catch.

        One with children in it stays as it is, for their sake. It cannot be left before they end.
        """
        free: list[Any] = []
        for status, nursery in self.opened:
            if nursery is not None and nursery.child_tasks:
                break
            free.append(status)
        for status in reversed(free):  # each gives what it is to those inside it
            if status.effectively_cancelled:
                status.effectively_cancelled = False
                for child in status.children:
                    child.recalculate()

    def suspends(self) -> None:
        """The task has gone on and waits again: a nursery that is left has its own scope back."""
        while self.held and exits(self.held[-1][0]):
            nursery, scope = self.held.pop()
            wanted = nursery.cancel_scope.cancel_called
            nursery.cancel_scope = scope
            if wanted:
                scope.cancel()
                nursery._cancel_status.recalculate()  # it may have been cancelled before
