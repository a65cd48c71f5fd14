"""What is shown in one line: how a pipeline is written down, and text of others."""

import inspect
import reprlib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, TypeAlias


class Short(reprlib.Repr):
    """Short texts of values."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60

    def repr_bytes(self, value: bytes | bytearray, level: int) -> str:
        """The ends are enough: the text of all of it may take longer than reading it."""
        most = self.maxother
        ends = value if len(value) <= 2 * most else value[:most] + value[-most:]
        return super().repr_instance(ends, level)

    repr_bytearray = repr_bytes


short = Short()

Args: TypeAlias = Sequence[Any]
Kwargs: TypeAlias = Mapping[str, Any]


class Form:
    """How the calls of a function are written down: as they were made."""

    def __init__(self, name: str) -> None:
        self.name = name

    def parts(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """The arguments that are shown by position, and those by name."""
        return args, kwargs


class SignatureForm(Form):
    """The same for a function whose signature is known: without what is the default anyway.

    Of the optional arguments that have a position, one is shown by it, and several by their names.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        shown: Collection[str] | None = None,
        words: Mapping[str, Callable[[Any], str]] = MappingProxyType({}),
    ) -> None:
        super().__init__(fn.__name__)
        self.fn = fn
        self.shown = shown  # the names of what may be read by anybody; None: all
        self.words = words  # what is shown for an argument, if not the argument itself
        self.of_method: bool = fn.__code__.co_varnames[:1] == ("self",)

    @cached_property
    def signature(self) -> inspect.Signature:
        signature = inspect.signature(self.fn)
        parameters = list(signature.parameters.values())[self.of_method :]
        return signature.replace(parameters=parameters)

    @cached_property
    def by_name(self) -> set[str]:
        parameters = self.signature.parameters.values()
        optional = {
            each.name
            for each in parameters
            if each.kind is each.POSITIONAL_OR_KEYWORD and each.default is not each.empty
        }
        named = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
        return named | optional if len(optional) > 1 else named

    def parts(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        by_position: list[Any] = []
        by_name: dict[str, Any] = {}
        for parameter, value in self.given(args, kwargs):
            if parameter.kind is parameter.VAR_POSITIONAL:
                by_position += value
            elif parameter.name in self.by_name:
                by_name[parameter.name] = value
            else:
                by_position.append(value)
        return by_position, by_name

    def given(self, args: Args, kwargs: Kwargs) -> Iterator[tuple[inspect.Parameter, Any]]:
        for name, value in self.signature.bind(*args, **kwargs).arguments.items():
            parameter = self.signature.parameters[name]
            if self.shown is not None and name not in self.shown:
                continue
            if not is_default(value, parameter.default):
                yield parameter, self.words[name](value) if name in self.words else value


class Label:
    """A call as a user would have written it; its text is made when it is asked for."""

    __slots__ = ("before", "call")

    def __init__(self, before: object = None) -> None:
        self.before: object = before  # what the method was called on
        self.call: tuple[Form, Args, Kwargs]  # set when the call has returned

    @property
    def name(self) -> str:
        return self.call[0].name

    def alone(self, shown: bool = True) -> str:
        """Without what it was called on; with "..." for the arguments that are not `shown`."""
        form, args, kwargs = self.call
        by_position, by_name = form.parts(args, kwargs)
        parts = [value(arg) for arg in by_position] if shown else ["..."] * bool(by_position)
        parts += [f"{key}={value(arg)}" for key, arg in by_name.items()]
        return f"{form.name}({', '.join(parts)})"

    def __str__(self) -> str:
        calls: list[str] = []
        before: object = self
        while isinstance(before, Label):  # a row may be longer than Python's stack
            calls.append(before.alone())
            before = before.before
        if before is not None:
            calls.append(str(before))
        return ".".join(reversed(calls))


class Item:
    """What a call gives under a key; its text is made when it is asked for, too."""

    __slots__ = ("call", "key")

    def __init__(self, call: Label, key: object) -> None:
        self.call = call
        self.key = key

    def __str__(self) -> str:
        return f"{self.call}[{value(self.key)}]"


def call(name: str, *args: Any, **kwargs: Any) -> Label:
    """`name(1, fn, key=2)`"""
    label = Label()
    label.call = Form(name), args, kwargs
    return label


def instance(made: Any) -> str:
    """The call that makes an instance of a dataclass, without what is the default anyway."""
    given = {
        each.name: value
        for each in fields(made)
        if not is_default(value := getattr(made, each.name), each.default)
    }
    return str(call(type(made).__name__, **given))


def value(arg: Any) -> str:
    if isinstance(arg, partial):
        return str(call("partial", arg.func, *arg.args, **arg.keywords))
    name = getattr(arg, "__qualname__", None)
    if isinstance(name, str):
        return name.rpartition("<locals>.")[2]
    return short.repr(arg)


def is_default(value: Any, default: Any) -> bool:
    """Whether a value is the default; only what is of the same kind can be compared for certain."""
    alike = type(value) is type(default) or (is_number(value) and is_number(default))
    return value is default or (alike and bool(value == default))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float)


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
