"""What a stream is made of: what opens its source, its operators, and how both are written down.

A recipe is put together once and opened many times. Nothing here is opened or checked.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar, cast

from ._core.batches import Segment
from ._core.contracts import (
    OPERATOR,
    SOURCE,
    Openable,
    Operator,
    Owner,
    Source,
    Written,
    depth_of,
    grace_of,
    longest,
    needs_tasks,
)
from ._core.interrupts import interruptible
from ._core.run import Run
from ._labels import Args, Form, Item, Kwargs, Label, SignatureForm, row_of, shortened
from ._layouts import INSIDE, Layout, Provenance
from ._sources.origins import opener_of

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

Items: TypeAlias = AsyncIterable[T] | Iterable[T]
OpenSource: TypeAlias = Callable[[Owner], Source]
Maker: TypeAlias = Callable[[Owner], Operator]

STREAM = Form("Stream")


class NoSourceError(TypeError):
    """Something that no stream can be made of was given to a function that wants one."""

    def __init__(self, text: str, given: object) -> None:
        super().__init__(text)
        self.given = given

    def of_call(self, name: str, args: Args, kwargs: Kwargs) -> TypeError:
        """The same for the user, who has made this call."""
        named = [*enumerate(args, 1), *((repr(key), arg) for key, arg in kwargs.items())]
        places = [argument for argument, arg in named if arg is self.given]
        return TypeError(f"argument {places[0]} of {name}(): {self}" if places else str(self))


class Operators(NamedTuple):
    """The operators of a stream: those of the stream before it, and more of one call."""

    before: "Operators | None"
    makers: tuple[Maker, ...]
    call: object  # its label

    def all(self) -> list[Maker]:
        return [make for part in self.parts() for make in part.makers]

    def calls(self) -> list[object]:
        """The label of the call of each operator."""
        return [part.call for part in self.parts() for _ in part.makers]

    def parts(self) -> list["Operators"]:
        found: list[Operators] = []
        row: Operators | None = self
        while row is not None:
            found.append(row)
            row = row.before
        return found[::-1]


class Recipe(Openable, AsyncIterable[Any]):
    """The source and the operators of a stream, made for each run, and its text."""

    __slots__ = ("_open_source", "_row", "_tasks", "depth", "grace", "provenance", "text")

    def __init__(
        self,
        open_source: OpenSource,
        row: Operators | None,
        text: Label | Item,
        *,
        tasks: bool = False,
        grace: float | None = None,
        provenance: Provenance | None = None,
        depth: int = SOURCE,
    ) -> None:
        self._open_source = open_source
        self._row = row
        self.text: Label | Item = text  # its label
        self._tasks = tasks  # whether it needs tasks
        self.grace: float | None = grace  # seconds that each source may take to close, if said
        self.provenance: Provenance | None = provenance  # for `explain`, if it is made of others
        self.depth: int = depth  # frames of Python that it takes to open and to step it

    @classmethod
    def source(
        cls,
        open_source: OpenSource,
        *row: Maker,
        text: Label | Item | None = None,
        grace: float | None = None,
        note: Provenance | None = None,
    ) -> "Recipe":
        """One whose source is what `open_source` makes for each run; no text for a named call."""
        text = Label() if text is None else text
        return cls(
            open_source,
            Operators(None, row, text) if row else None,
            text,
            grace=grace,
            provenance=note,
            depth=SOURCE + OPERATOR * len(row),
        )

    @classmethod
    def of(cls, given: Any) -> "Recipe":
        """What `Stream(given)` is made of."""
        text = Label()
        text.call = STREAM, (given,), {}
        interruptible((given,))
        if not isinstance(given, Openable):
            return cls(opener_of(given), None, text)
        inner = recipe_of(given)
        return cls(
            opener_of(inner),
            None,
            text,
            tasks=inner._tasks,
            grace=inner.grace,
            provenance=(INSIDE, text, (inner,), 0, 0),
            depth=INSIDE.frames + inner.depth,
        )

    @classmethod
    def combine(
        cls,
        open_source: OpenSource,
        call: Label,
        parts: Sequence[Openable],
        layout: Layout,
        bound: int,
        workers: int = 1,
    ) -> "Recipe":
        """One made of others, with this layout; it needs tasks if that does or one of them."""
        return cls(
            open_source,
            None,
            call,
            tasks=layout.kind != "in turn" or any(map(needs_tasks, parts)),
            grace=longest(map(grace_of, parts)),
            provenance=(layout, call, parts, bound, workers),
            depth=layout.frames + max(map(depth_of, parts), default=0),
        )

    def then(self, *makers: Maker) -> "Recipe":
        """The same and a call of the user's, with its operators."""
        return self._changed(Label(self.text), makers, self.grace)

    def also(self, *makers: Maker, call: Label | None = None) -> "Recipe":
        """The same with more operators, of the same call or of a terminal one."""
        return self._changed(self.text, makers, self.grace, call=call)

    def with_grace(self, seconds: float) -> "Recipe":
        """The same with another cleanup timeout."""
        return self._changed(Label(self.text), (), seconds)

    def named(self, name: str) -> "Recipe":
        """The same, whose last call has a name."""
        text, provenance = self.text, self.provenance
        if isinstance(text, Item):  # no call of its own
            return self._changed(text.named(name), (), self.grace)
        named, row = text.named(name), self._row
        if provenance is not None and provenance[1] is text:
            provenance = (provenance[0], named, *provenance[2:])
        if row is not None and row.call is text:
            row = row._replace(call=named)
        return self._changed(named, (), self.grace, row, provenance)

    def _changed(
        self,
        text: Label | Item,
        makers: tuple[Maker, ...],
        grace: float | None,
        row: Operators | None = None,
        provenance: Provenance | None = None,
        call: Label | None = None,
    ) -> "Recipe":
        row = row or self._row
        return Recipe(
            self._open_source,
            Operators(row, makers, call or text) if makers else row,
            text,
            tasks=self._tasks,
            grace=grace,
            provenance=provenance or self.provenance,
            depth=self.depth + OPERATOR * len(makers),
        )

    def _open(self, owner: Owner) -> Source:
        source = self._open_source(owner)
        if self.provenance is not None:
            source.is_of(self.provenance[1])
        if self._row is None:
            return source
        return Segment(source, [make(owner) for make in self._row.all()], owner, self)

    def _needs_tasks(self) -> bool:
        return self._tasks

    def _grace(self) -> float | None:
        return self.grace

    def _depth(self) -> int:
        return self.depth

    def _drawn(self, format: str, picture: object) -> str:
        return repr(self)  # no user has a run of it

    def _written(self) -> Written:
        source = row_of(self.text)[0] if self.provenance is None else self.provenance[1]
        return Written(self.text, () if self._row is None else self._row.calls(), source)

    def __aiter__(self) -> AsyncIterator[Any]:
        return Run(self, bare=True)

    def __deepcopy__(self, memo: object) -> "Recipe":
        return self  # nothing changes it

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be pickled; make the stream in the process in which it is read"
        )

    def __repr__(self) -> str:
        return shortened(str(self.text))


def recipe_of(source: Any) -> Recipe:
    """What a stream, or what can be made one, is made of."""
    if isinstance(source, Recipe):
        return source
    recipe = getattr(source, "_recipe", None)
    if isinstance(recipe, Recipe) and isinstance(source, Openable):  # else it has to be entered
        return recipe
    try:
        return Recipe.of(source)
    except TypeError as error:
        raise NoSourceError(str(error), source) from None


# -- how it is written down -----------------------------------------------------------------


def named_call(fn: F) -> F:
    """Let the stream that `fn` makes tell, in its `repr`, by which call it came about."""
    return recording(fn, SignatureForm(fn))


def named_call_showing(*shown: str, **words: Callable[[Any], str]) -> Callable[[F], F]:
    """The same, of no more than these arguments, some of which functions put into words."""
    return lambda fn: recording(fn, SignatureForm(fn, {*shown, *words}, words))


def recording(fn: F, form: SignatureForm) -> F:
    """`fn`, which leaves a note of each call in the label that it has put in its recipe."""

    @wraps(fn)
    def function(*args: Any, **kwargs: Any) -> Any:
        interruptible((*args, *kwargs.values()))
        try:
            made = fn(*args, **kwargs)
        except NoSourceError as error:
            raise error.of_call(form.name, args, kwargs) from None
        made._recipe.text.call = form, args, kwargs
        return made

    @wraps(fn)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        interruptible((*args, *kwargs.values()))
        try:
            made = fn(self, *args, **kwargs)
        except NoSourceError as error:
            raise error.of_call(form.name, args, kwargs) from None
        made._recipe.text.call = form, args, kwargs
        return made

    return cast("F", method if form.of_method else function)
