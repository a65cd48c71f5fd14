"""What is shown in one line: how a pipeline is written down, and text of others."""

import inspect
import reprlib
import unicodedata
from collections.abc import AsyncIterable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY


class Short(reprlib.Repr):
    """Short texts of values."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60

    def repr1(self, x: Any, level: int) -> str:
        """A text in any case: a `repr` may raise, as that of a very long integer does."""
        try:
            return super().repr1(x, level)
        except Exception:
            return f"<{type(x).__name__}>"

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

    def __init__(self, name: str, plain: str | None = None) -> None:
        self.name = name
        self.plain: str = name if plain is None else plain  # the same without values

    def parts(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """The arguments that are shown by position, and those by name."""
        return args, kwargs

    def written(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """The same with less effort, and so perhaps with more of them."""
        return args, kwargs


class Parameter(NamedTuple):
    """What is asked of a parameter for each call."""

    name: str
    kind: Any
    default: Any
    by_name: bool  # whether its argument is shown by name
    words: Callable[[Any], str] | None  # for the argument, if not the argument itself


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
        self.words = {**words}  # what is shown for an argument, if not the argument itself
        self.of_method: bool = fn.__code__.co_varnames[:1] == ("self",)

    @cached_property
    def parameters(self) -> list[Parameter]:
        parameters = [*inspect.signature(self.fn).parameters.values()][self.of_method :]
        optional = [
            each.name
            for each in parameters
            if each.kind is each.POSITIONAL_OR_KEYWORD and each.default is not each.empty
        ]
        return [
            Parameter(
                each.name,
                each.kind,
                each.default,
                each.kind is each.KEYWORD_ONLY or (len(optional) > 1 and each.name in optional),
                self.words.get(each.name),
            )
            for each in parameters
        ]

    def parts(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        by_position: list[Any] = []
        by_name: dict[str, Any] = {}
        for parameter, value in self.bound(args, kwargs):
            if self.shown is not None and parameter.name not in self.shown:
                continue
            if is_default(value, parameter.default):
                continue
            shown = value if parameter.words is None else parameter.words(value)
            if parameter.kind is VAR_POSITIONAL:
                by_position += shown
            elif parameter.by_name:
                by_name[parameter.name] = shown
            else:
                by_position.append(shown)
        return by_position, by_name

    def written(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        hidden = self.shown is not None or self.words
        return self.parts(args, kwargs) if hidden else (args, kwargs)

    def bound(self, args: Args, kwargs: Kwargs) -> Iterator[tuple[Parameter, Any]]:
        """The arguments of a call that has succeeded; `Signature.bind` takes ten times as long."""
        for place, parameter in enumerate(self.parameters):
            if parameter.kind is VAR_POSITIONAL:
                if args[place:]:
                    yield parameter, args[place:]
            elif place < len(args) and parameter.kind is not KEYWORD_ONLY:
                yield parameter, args[place]
            elif parameter.name in kwargs:
                yield parameter, kwargs[parameter.name]


class Label:
    """A call as a user would have written it; its text is made when it is asked for."""

    __slots__ = ("_short", "before", "call", "title")

    def __init__(self, before: object = None, title: str | None = None) -> None:
        self.before: object = before  # what the method was called on
        self.call: tuple[Form, Args, Kwargs]  # set when the call has returned
        self.title: str | None = title  # what the user calls it
        self._short: str | None = None

    def named(self, title: str) -> "Label":
        """The same call, with a name."""
        label = Label(self.before, title)
        label.call = self.call
        return label

    def short(self) -> str:
        """Its name, or else the call alone, without the streams that it joins.

        It is asked for at each opening [open], and each task of the call has it in its name, so it
        does not grow with the number of arguments.
        """
        if self._short is None:
            self._short = shortened(self.title or self._brief(self.call[0].name, brief))
        return self._short

    def plain(self) -> str:
        """The same without values."""
        return self.title or self._brief(self.call[0].plain, plain)

    def _brief(self, name: str, show: Callable[[Any], str]) -> str:
        form, args, kwargs = self.call
        by_position, by_name = form.written(args, kwargs)
        parts = [show(arg) for arg in by_position]
        if parts[1:] and parts[0] == "...":
            parts = ["..."]
        parts += [f"{key}={show(arg)}" for key, arg in by_name.items()]
        return f"{name}({', '.join(parts)})"

    @property
    def name(self) -> str:
        return self.call[0].name

    def alone(self, shown: bool = True) -> str:
        """Without what it was called on; with "..." for the arguments that are not `shown`."""
        return self._alone(self.call[0].name, value, shown) + naming(self.title, repr)

    def alone_plain(self) -> str:
        """The same without values, of which its name is one here."""
        return self._alone(self.call[0].plain, plain, True) + naming(self.title, plain)

    def _alone(self, name: str, show: Callable[[Any], str], shown: bool) -> str:
        form, args, kwargs = self.call
        by_position, by_name = form.parts(args, kwargs)
        parts = [show(arg) for arg in by_position] if shown else ["..."] * bool(by_position)
        parts += [f"{key}={show(arg)}" for key, arg in by_name.items()]
        return f"{name}({', '.join(parts)})"

    def __str__(self) -> str:
        return ".".join(map(alone, row_of(self)))


def row_of(text: object) -> list[object]:
    """The calls that a text is made of, from the source on; a row may outgrow Python's stack."""
    found: list[object] = []
    while isinstance(text, Label):
        found.append(text)
        text = text.before
    return [*([] if text is None else [text]), *reversed(found)]


def alone(call: object) -> str:
    """The text of one of these."""
    return call.alone() if isinstance(call, Label) else str(call)


def without_values(text: object) -> str:
    """A row of calls, which shows of their arguments what `plain` does."""
    return ".".join(call.alone_plain() for call in row_of(text) if isinstance(call, Label | Item))


def naming(title: str | None, show: Callable[[Any], str]) -> str:
    return "" if title is None else f".named({show(title)})"


class Item:
    """What a call gives under a key; its text is made when it is asked for, too."""

    __slots__ = ("call", "key", "title")

    def __init__(self, call: Label, key: object, title: str | None = None) -> None:
        self.call: Label = call
        self.key: object = key
        self.title: str | None = title  # what the user calls it

    def named(self, title: str) -> "Item":
        return Item(self.call, self.key, title)

    def alone_plain(self) -> str:
        return f"{without_values(self.call)}[{plain(self.key)}]{naming(self.title, plain)}"

    def __str__(self) -> str:
        return f"{self.call}[{value(self.key)}]{naming(self.title, repr)}"


def call(name: str, /, *args: Any, **kwargs: Any) -> Label:
    """`name(1, fn, key=2)`"""
    label = Label()
    label.call = Form(name), args, kwargs
    return label


def call_of(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Label:
    """The same of a function of the user's, which may be an object whose text has values."""
    label = Label()
    label.call = Form(value(fn), defined_name(fn) or HIDDEN), args, kwargs
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
    if issubclass(type(arg), partial):
        return str(call("partial", arg.func, *arg.args, **arg.keywords))
    name = defined_name(arg)
    return short.repr(arg) if name is None else name


def whole(arg: Any) -> str:
    """Its `repr`, but for the middle of a long one, which may be all of a conversation."""
    try:
        text = repr(arg)
    except Exception:
        text = short.repr(arg)
    return text if len(text) <= 300 else f"{text[:200]}...{text[-97:]}"


def defined_name(arg: Any) -> str | None:
    """What a function or a class was called where it was defined."""
    try:
        name = getattr(arg, "__qualname__", None)
    except Exception:  # of a `__getattr__` of the user's
        return None
    return name.rpartition("<locals>.")[2] if isinstance(name, str) else None


def plain(arg: Any) -> str:
    """The text of what belongs to the program, such as a function or a size; no `repr` is asked."""
    if arg is None or is_small(arg):
        return str(arg)
    if issubclass(type(arg), AsyncIterable):
        return "..."
    if issubclass(type(arg), partial):
        return f"partial{HIDDEN}"
    name = defined_name(arg) if callable(arg) else None
    return HIDDEN if name is None else name


def is_small(arg: Any) -> bool:
    """Whether it is a number of at most six digits, three of them behind the point."""
    return type(arg) in (bool, int, float) and abs(arg) < SMALL and arg == round(arg, 3)


def brief(arg: Any) -> str:
    if type(arg) is int and abs(arg) < LONG_INTEGER:  # as most are
        return str(arg)
    return "..." if issubclass(type(arg), AsyncIterable) else in_a_line(value(arg))


def is_default(value: Any, default: Any) -> bool:
    """Whether a value is the default; only what is of the same kind can be compared for certain."""
    alike = type(value) is type(default) or (is_number(value) and is_number(default))
    return value is default or (alike and bool(value == default))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float)


HIDDEN = "…"
"""In the place of a value."""

SMALL = 10**6
"""Numbers from here on may be data."""

LONG_INTEGER = 10**18
"""From here on its text is cut; that of more digits than Python allows cannot be made."""

LONGEST = 200
"""Characters of the text of a stream, in its `repr` and in errors."""


def shortened(text: str) -> str:
    """Both ends of a text that is too long to be read in a message."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} ... {text[5 - LONGEST // 2 :]}"


def in_a_line(text: str) -> str:
    """The text, in which a `repr` may have ended a line, or have what no drawing can hold."""
    return visible(" ".join(text.splitlines()))


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
