"""Where Ctrl-C takes effect on trio.

asyncio answers the first Ctrl-C by cancelling the main task. trio raises `KeyboardInterrupt` at
once, in whatever function runs, unless that or one that has called it is protected: then the main
task is told at its next checkpoint. An entry into a nursery that is cut short is never left, and a
task that is over before it waits for an event is woken nevertheless: trio crashes at both. So the
library is protected, and the functions that the user has given it are not: one that blocks could
not be stopped otherwise.
"""

from collections.abc import Callable, Iterable
from functools import partial
from types import AsyncGeneratorType, CodeType, FunctionType, MethodType, SimpleNamespace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

F = TypeVar("F", bound=Callable[..., Any])
Mark = Callable[[Any], object]

OWN = ("anystream", "anyio", "trio")
"""The packages whose functions know themselves what Ctrl-C may cut short."""

library: list[Callable[..., Any]] = []
"""The functions that are to be protected, with all that they call."""

given: WeakValueDictionary[int, CodeType] = WeakValueDictionary()
"""The code of functions of the user's, which is not; by identity, since to compare takes longer."""

marks: list[tuple[Mark, Mark]] = []
"""What protects a function, and what does not, as soon as trio runs."""


def protected(function: F) -> F:
    """Let Ctrl-C wait until `function` is over, or the main task comes to a checkpoint."""
    library.append(function)
    for protect, _ in marks:  # in a module that is imported later
        protect(function)
    return function


def interruptible(values: Iterable[Any]) -> None:
    """Let Ctrl-C be raised at once in those of these that are functions of the user's."""
    for value in values:
        while isinstance(value, (partial, MethodType)):
            value = value.func if isinstance(value, partial) else value.__func__
        if isinstance(value, FunctionType):
            code = value.__code__
        elif isinstance(value, AsyncGeneratorType):
            code = value.ag_code
        else:
            continue
        if id(code) not in given and not is_own(value):
            given[id(code)] = code
            for _, expose in marks:
                expose(SimpleNamespace(__code__=code))


def is_own(value: Any) -> bool:
    """Whether a function or generator is of one of our own packages, or one that is over."""
    if isinstance(value, FunctionType):
        module: str | None = value.__module__
    elif value.ag_frame is None:
        return True
    else:
        module = value.ag_frame.f_globals.get("__name__")
    # What `eval` has made need not be of a module.
    return module is not None and module.partition(".")[0] in OWN


def mark_by(protect: Mark, expose: Mark) -> None:
    """Mark all of them, and those to come as well."""
    marks.append((protect, expose))
    for function in library:
        protect(function)
    for code in [*given.values()]:
        expose(SimpleNamespace(__code__=code))
