"""How a pipeline is written down in one line."""

import reprlib
from functools import partial
from typing import Any

short = reprlib.Repr()
short.maxstring = short.maxother = 60


def call(name: str, *args: Any, **kwargs: Any) -> str:
    """`name(1, fn, key=2)`, as somebody would have written it."""
    parts = [value(arg) for arg in args]
    parts += [f"{key}={value(arg)}" for key, arg in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def options(**given: tuple[Any, Any]) -> dict[str, Any]:
    """Of arguments, each with its default, those that somebody would have written."""
    return {name: value for name, (value, default) in given.items() if value != default}


def value(arg: Any) -> str:
    if isinstance(arg, partial):
        return call("partial", arg.func, *arg.args, **arg.keywords)
    name = getattr(arg, "__qualname__", None)
    if isinstance(name, str):
        return name.rpartition("<locals>.")[2]
    return short.repr(arg)
