"""What needs trio, which is imported only by who runs on it."""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import trio
from trio._core import _run as trio_run  # pyright: ignore[reportPrivateUsage]
from trio._core._run import GLOBAL_RUN_CONTEXT
from trio.testing import MockClock, active_thread_count

MakeError = Callable[[], BaseException]
"""A new error for each task that it is raised in."""


def virtual_time(deadlock: Callable[[], MakeError]) -> dict[str, Any]:
    """Return options of `trio.run` for one run that never waits for a timer.

    In a deadlock, what `deadlock()` returns makes the errors for the tasks that are blocked.
    """
    clock = MockClock(autojump_threshold=0)
    return {"clock": clock, "instruments": [_IdleWatch(clock, deadlock)]}


class _IdleWatch(trio.abc.Instrument):
    """What ``MockClock`` lacks: it sees worker threads and deadlocks."""

    def __init__(self, clock: MockClock, deadlock: Callable[[], MakeError]) -> None:
        self._clock = clock
        self._deadlock = deadlock
        self._idle_rounds = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._idle_rounds = 0
        threads_at_work = active_thread_count() > 0
        if threads_at_work != (self._clock.rate > 0):
            self._clock.rate = 1 if threads_at_work else 0
            self._clock.autojump_threshold = math.inf if threads_at_work else 0

    def after_io_wait(self, timeout: float) -> None:
        self._idle_rounds += 1
        # At the end of an idle round trio jumps, or wakes those in wait_all_tasks_blocked().
        if self._idle_rounds < 2 or self._clock.rate > 0:
            return
        state = trio.lowlevel.current_statistics()
        if not state.tasks_runnable and state.seconds_to_next_deadline == math.inf:
            self._idle_rounds = 0
            main_task = GLOBAL_RUN_CONTEXT.runner.main_task
            assert main_task is not None
            _interrupt(main_task, self._deadlock())


def _interrupt(task: trio.lowlevel.Task, make_error: MakeError) -> None:
    """Raise an error where it says most: in each task that waits for no child of its own."""

    def raise_deadlock() -> NoReturn:
        raise make_error()

    nurseries: list[Any] = task.child_nurseries
    for nursery in nurseries:
        for child in nursery.child_tasks:
            _interrupt(child, make_error)
    waits_for_children = any(nursery._parent_waiting_in_aexit for nursery in nurseries)
    if not waits_for_children and task._abort_func is not None:  # pyright: ignore[reportPrivateUsage]
        task._attempt_abort(raise_deadlock)  # pyright: ignore[reportPrivateUsage]


@contextmanager
def steps_watched(hook: Callable[[], object]) -> Generator[None]:
    """Call ``hook`` before each step of any task."""
    instrument = _StepWatch(hook)
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)


class _StepWatch(trio.abc.Instrument):
    def __init__(self, hook: Callable[[], object]) -> None:
        self._hook = hook

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._hook()


@contextmanager
def scheduled(seed: int) -> Generator[None]:
    """Let trio deal the turns in an order that the seed decides.

    There is no public way: if the private one changes, a test in tests/testing/test_sweep.py fails.
    """
    private: Any = trio_run
    allowed, state = private._ALLOW_DETERMINISTIC_SCHEDULING, private._r.getstate()
    private._ALLOW_DETERMINISTIC_SCHEDULING = True
    private._r.seed(seed)
    try:
        yield
    finally:
        private._ALLOW_DETERMINISTIC_SCHEDULING = allowed
        private._r.setstate(state)


def all_tasks() -> set[trio.lowlevel.Task]:
    """Return every task that has not ended."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return {root, *_below(root)}


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield child
            yield from _below(child)
