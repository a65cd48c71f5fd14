"""Tasks of either backend.

They are compared as objects that the caller holds, because the id of a task that has ended may
soon belong to another one.
"""

import asyncio
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import trio

Task: TypeAlias = "asyncio.Task[Any] | trio.lowlevel.Task"


def in_trio() -> bool:
    """Whether this code runs on trio, which nobody does who has not imported it."""
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_run()


def current_task() -> Task:
    """Return the task that runs this code."""
    if in_trio():
        import trio

        return trio.lowlevel.current_task()
    task = asyncio.current_task()
    assert task is not None
    return task


def all_tasks() -> set[Task]:
    """Return every task that has not ended."""
    if in_trio():
        from . import _trio

        return {*_trio.all_tasks()}
    return {*asyncio.all_tasks()}


def running_tasks() -> set[Task]:
    """Return the tasks that have not ended and are not the runtime's.

    That is, neither those of the test runner, nor those that the backend starts to close a
    generator which was left to the garbage collector.
    """
    return {task for task in all_tasks() if not _serves_the_runtime(task)}


def coroutine_of(task: Task) -> object:
    """Return what the task runs."""
    return task.get_coro() if isinstance(task, asyncio.Task) else task.coro


def task_name(task: Task) -> str:
    """Return the name of a task, with the function that it runs."""
    if isinstance(task, asyncio.Task):
        return f"{task.get_name()} ({_function_name(task)})"
    return task.name


def _function_name(task: Task) -> str:
    return getattr(coroutine_of(task), "__qualname__", "?")


def _serves_the_runtime(task: Task) -> bool:
    if not isinstance(task, asyncio.Task):
        return task.name.startswith("close asyncgen ")
    closes_a_generator = type(coroutine_of(task)).__name__ == "async_generator_athrow"
    return closes_a_generator or _function_name(task).startswith("TestRunner.")
