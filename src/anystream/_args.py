"""Checks of arguments, made when an operator is called and not at its first item."""

import inspect
import math
import operator
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from numbers import Real
from types import BuiltinFunctionType, FunctionType, MethodType, WrapperDescriptorType
from typing import Any, cast

from ._labels import whole


def function(name: str, value: object) -> None:
    """`value` must be callable."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, plain or async, got {whole(value)}")


def is_async(value: Any) -> bool:
    """Whether a call gives a coroutine or an async generator, as far as that can be told before."""
    return (flags(value) & GIVES) not in (0, inspect.CO_GENERATOR)


def plain(name: str, value: object, more: str = "") -> None:
    """`value` must be a function whose result is used without waiting for it.

    `more` goes into the message, behind "function".
    """
    if not callable(value) or is_async(value):
        raise TypeError(f"{name} must be a plain function{more}, got {whole(value)}")


def called_plain(name: str, value: object, more: str = "") -> None:
    """The same, and a call must run it, which that of a generator function does not."""
    plain(name, value, more)
    if is_generator(value):
        raise TypeError(f"{name} must not be a generator function, got {whole(value)}")


def unless_awaitable(name: str, value: Any) -> Any:
    """`value`, which a function has returned that is called without waiting for it."""
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()  # which would be never awaited
        raise TypeError(f"{name} must be a plain function, but it returned {whole(value)}")
    return value


def handler(name: str, value: object, instead: str) -> None:
    """`value` must be a function that gives something in the place of an error."""
    function(name, value)
    if isinstance(value, type) and issubclass(value, BaseException):
        raise TypeError(
            f"{name} must be a function that is called with the error, got {whole(value)};"
            f" {instead}"
        )


def default(value: object, call: str) -> None:
    """`value` must not be a function, by which other libraries choose the item."""
    if isinstance(value, FUNCTIONS):
        raise TypeError(
            f"default must not be a function, got {whole(value)}: filter(fn).{call}() gives an item"
            f" for which it is true, and default_if_empty(fn).{call}() the function itself"
        )


FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, partial)


def listens(name: str, value: Any) -> bool:
    """`value` must be a function of no argument, or of one: whether it needs that."""
    called_function(name, value)
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # of mocks, and of some that are written in C
        return False
    for arguments in ((), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return bool(arguments)
    raise TypeError(f"{name} must take no argument, or one, got {whole(value)}")


def result_function(name: str, value: Any, instead: str = "flat_map") -> None:
    """`value` must be a function whose result is wanted, and not the items of its result.

    The operator `instead` reads these, if there is one. A plain generator is a result like others.
    """
    function(name, value)
    if is_async_generator(value):
        raise unread(name, value, "async generators", instead)


def called_function(name: str, value: Any, instead: str = "flat_map") -> None:
    """`value` must be a function that a call runs, which that of a generator function does not."""
    function(name, value)
    given = flags(value) & GIVES
    if given & inspect.CO_ASYNC_GENERATOR:
        raise unread(name, value, "async generators", instead)
    if given == inspect.CO_GENERATOR:
        raise unread(name, value, "generators", instead)


def is_async_generator(value: Any) -> bool:
    """Whether a call of it gives an async generator."""
    return bool(flags(value) & inspect.CO_ASYNC_GENERATOR)


def is_generator(value: Any) -> bool:
    """Whether a call of it gives a plain generator, and not what `types.coroutine` makes of one."""
    return flags(value) & GIVES == inspect.CO_GENERATOR


def flags(value: Any) -> int:
    """The flags of the code that a call of `value` runs, as far as they can be told."""
    if type(value) is FunctionType and not value.__dict__:  # where a mark would be
        return value.__code__.co_flags
    if issubclass(type(value), WITHOUT_FLAGS) or not callable(value):
        return 0
    if issubclass(type(value), WRAPPERS):
        around: Any = cast("Any", value)
        return flags(around.func if isinstance(value, partial) else around.__func__)
    try:
        marked = sum(flag for flag, has in OF_MARKS.items() if has(value))
        if isinstance(value, FunctionType):
            return marked | value.__code__.co_flags
    except Exception:  # of a mock, which says that it is a function
        return 0
    return marked | flags(type(value).__call__)


GIVES = (
    inspect.CO_COROUTINE
    | inspect.CO_ITERABLE_COROUTINE  # of `types.coroutine`, beside that of a generator
    | inspect.CO_ASYNC_GENERATOR
    | inspect.CO_GENERATOR
)
"""The flags of code that a call does not run: it gives what has to be awaited or read."""

OF_MARKS: dict[int, Callable[[Any], bool]] = {
    inspect.CO_COROUTINE: inspect.iscoroutinefunction,
    inspect.CO_ASYNC_GENERATOR: inspect.isasyncgenfunction,
    inspect.CO_GENERATOR: inspect.isgeneratorfunction,
}
"""What has no code of Python's may tell in another way, as functions of Cython and mocks do."""

WRAPPERS = (partial, MethodType, staticmethod)

WITHOUT_FLAGS = (type, BuiltinFunctionType, WrapperDescriptorType)
"""A call of a class gives an instance, and that of a function in C a result."""


def unread(name: str, value: object, given: str, instead: str = "flat_map") -> TypeError:
    advice = f": use {instead}" if instead else ""
    return TypeError(
        f"{name} gives {given}, whose items nobody would read{advice}, got {whole(value)}"
    )


def integer(
    name: str, value: Any, least: int | None = None, most: int = sys.maxsize, *, more: str = ""
) -> int:
    """`value` must be an integer; a count is at least `least` and at most `most`.

    `more` goes into the message, for what else it may be.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be {more}an integer, got {whole(value)}") from None
    if least is None:
        return number
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {whole(value)}")
    if number > most:
        raise ValueError(f"{name} must be at most {most}, got {whole(value)}")
    return number


def amount(name: str, value: Any, least: int = 0, *, more: bool = False, unit: str = "") -> float:
    """`value` must be a finite number of at least `least`, or of `more` than that."""
    if not is_number(value):
        kind = f"number of {unit}" if unit else "number"
        raise TypeError(f"{name} must be a {kind}, got {whole(value)}")
    number = value if isinstance(value, (int, float)) else float(value)
    if not is_finite(number) or number < least or (more and number == least):
        bound = f"{'more than' if more else 'at least'} {least} {unit}".rstrip()
        raise ValueError(f"{name} must be finite and {bound}, got {whole(value)}")
    return number


def is_number(value: object) -> bool:
    """Whether it is a real number, also one of numpy's."""
    return isinstance(value, (int, float, Real)) and not isinstance(value, bool)


def is_finite(value: float) -> bool:
    """An integer may be too large for a float."""
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= sys.float_info.max


def positive(name: str, value: Any) -> float:
    """`value` must be a finite number of more than 0."""
    return amount(name, value, more=True)


def seconds(name: str, value: Any, *, zero: bool = True, why: str = "") -> float:
    """`value` must be a finite number of seconds, positive, or not negative if `zero` is.

    `why` says why it must not be 0.
    """
    try:
        return float(amount(name, value, more=not zero, unit="seconds"))
    except ValueError as exc:
        if why and value == 0:
            raise ValueError(f"{exc}: {why}") from None
        raise


def is_iterable(value: object) -> bool:
    """Whether a plain `for` reads it: a future of asyncio has `__iter__` only for who awaits it."""
    return issubclass(type(value), Iterable) and not hasattr(type(value), "__await__")


def items(name: str, value: object) -> None:
    """`value` must be something that items come from."""
    if not (isinstance(value, AsyncIterable) or is_iterable(value)):
        raise TypeError(
            f"{name} must be a stream, an async iterable or an iterable, got {whole(value)}"
        )


def iterable(name: str, value: object) -> None:
    """`value` must be what a plain `for` reads."""
    if not is_iterable(value):
        raise TypeError(f"{name} must be an iterable, got {whole(value)}")


def exception(name: str, value: object) -> None:
    """`value` must be an instance of an exception."""
    if not isinstance(value, BaseException):
        raise TypeError(f"{name} must be an exception, got {whole(value)}")


def mapping(name: str, value: object) -> None:
    """`value` must be a mapping, such as a dictionary."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, got {whole(value)}")


def text(name: str, value: Any, more: str = "") -> None:
    """`value` must be a string; `more` goes into the message, for what else it may be."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str{more}, got {whole(value)}")


def flag(name: str, value: Any) -> None:
    """`value` must be true or false itself, since a number may be meant for something else."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {whole(value)}")


def choice(name: str, value: object, allowed: tuple[str, ...], *, more: str = "") -> None:
    """`value` must be one of `allowed`; `more` goes into the message, for what else it may be."""
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} must be one of {words}{more}, got {whole(value)}")
