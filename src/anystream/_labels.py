"""What is shown in one line: how a pipeline is written down, and text of others."""

import reprlib
import unicodedata
from functools import partial
from typing import Any

short = reprlib.Repr()
short.maxstring = short.maxother = 60


class Label:
    """A call as somebody would have written it; it is put into words when it is asked for."""

    __slots__ = ("args", "before", "kwargs", "name")

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.name: str = name
        self.args: tuple[Any, ...] = args
        self.kwargs: dict[str, Any] = kwargs
        self.before: object = None  # what the method was called on

    def after(self, before: object) -> "Label":
        self.before = before
        return self

    def alone(self, shown: bool = True) -> str:
        """Without what it was called on; with "..." for the arguments that are not `shown`."""
        parts = [value(arg) for arg in self.args] if shown else ["..."] * bool(self.args)
        parts += [f"{key}={value(arg)}" for key, arg in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"

    def __str__(self) -> str:
        calls: list[str] = []
        before: object = self
        while isinstance(before, Label):  # a row may be longer than Python's stack
            calls.append(before.alone())
            before = before.before
        if before is not None:
            calls.append(str(before))
        return ".".join(reversed(calls))


def call(name: str, *args: Any, **kwargs: Any) -> Label:
    """`name(1, fn, key=2)`"""
    return Label(name, args, kwargs)


def options(**given: tuple[Any, Any]) -> dict[str, Any]:
    """Of arguments, each with its default, those that somebody would have written."""
    return {name: value for name, (value, default) in given.items() if value != default}


def value(arg: Any) -> str:
    if isinstance(arg, partial):
        return str(call("partial", arg.func, *arg.args, **arg.keywords))
    name = getattr(arg, "__qualname__", None)
    if isinstance(name, str):
        return name.rpartition("<locals>.")[2]
    return short.repr(arg)


def visible(text: str) -> str:
    """`text` without characters that act on a terminal or cannot be seen."""
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else char
        for char in text
    )
