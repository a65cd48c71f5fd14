"""Tasks of either backend.

They are compared as objects that the caller holds, because the id of a task that has ended may
soon belong to another one.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, TypeAlias

import trio

Task: TypeAlias = "asyncio.Task[Any] | trio.lowlevel.Task"


def current_task() -> Task:
    """Return the task that runs this code."""
    if trio.lowlevel.in_trio_run():
        return trio.lowlevel.current_task()
    task = asyncio.current_task()
    assert task is not None
    return task


def all_tasks() -> set[Task]:
    """Return every task that has not ended."""
    if not trio.lowlevel.in_trio_run():
        return {*asyncio.all_tasks()}
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return {root, *_below(root)}


def running_tasks() -> set[Task]:
    """Return the tasks that have not ended and are somebody's own.

    That is, neither those of the test runner, nor those that the backend starts to close a
    generator which was left to the garbage collector.
    """
    return {task for task in all_tasks() if not _serves_the_runtime(task)}


def coroutine_of(task: Task) -> object:
    """Return what the task runs."""
    return task.coro if isinstance(task, trio.lowlevel.Task) else task.get_coro()


def task_name(task: Task) -> str:
    """Return the name of a task, with the function that it runs."""
    if isinstance(task, trio.lowlevel.Task):
        return task.name
    return f"{task.get_name()} ({_function_name(task)})"


def _function_name(task: Task) -> str:
    return getattr(coroutine_of(task), "__qualname__", "?")


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield child
            yield from _below(child)


def _serves_the_runtime(task: Task) -> bool:
    if isinstance(task, trio.lowlevel.Task):
        return task.name.startswith("close asyncgen ")
    closes_a_generator = type(coroutine_of(task)).__name__ == "async_generator_athrow"
    return closes_a_generator or _function_name(task).startswith("TestRunner.")
