"""Which functions Ctrl-C does not cut short on trio.

asyncio answers the first Ctrl-C by cancelling the main task. trio raises `KeyboardInterrupt` at
once, in whatever function runs, unless that or one that has called it is protected: then the main
task is told at its next checkpoint. An entry into a nursery that is cut short is never left, and a
task that is over before it waits for an event is woken nevertheless: trio crashes at both.
"""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

functions: list[Callable[..., Any]] = []
"""All that are to be protected."""

protectors: list[Callable[[Any], object]] = []
"""What protects one, as soon as trio runs."""


def protected(function: F) -> F:
    """Let Ctrl-C wait until `function` is over, or the main task comes to a checkpoint."""
    functions.append(function)
    for protect in protectors:  # in a module that is imported later
        protect(function)
    return function


def protect_by(protect: Callable[[Any], object]) -> None:
    """Protect all of them, those of modules to come as well."""
    protectors.append(protect)
    for function in functions:
        protect(function)
