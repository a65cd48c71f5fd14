"""What a stream is made of: what opens its source, its operators, and how both are written down.

A recipe is put together once and opened many times. Nothing here is opened or checked.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from . import _labels as label
from ._core.batches import Segment
from ._core.contracts import (
    GRACE,
    OPERATOR,
    SOURCE,
    Openable,
    Operator,
    Owner,
    Source,
    depth_of,
    grace_of,
    needs_tasks,
)
from ._core.run import Run
from ._layouts import INSIDE, Layout, Provenance
from ._sources.origins import opener_of

T = TypeVar("T")

Items: TypeAlias = AsyncIterable[T] | Iterable[T]
OpenSource: TypeAlias = Callable[[Owner], Source]
Maker: TypeAlias = Callable[[Owner], Operator]


class Operators(NamedTuple):
    """The operators of a stream: those of the stream before it, and more."""

    before: "Operators | None"
    makers: tuple[Maker, ...]

    def all(self) -> list[Maker]:
        found: list[tuple[Maker, ...]] = []
        row: Operators | None = self
        while row is not None:
            found.append(row.makers)
            row = row.before
        return [make for makers in reversed(found) for make in makers]


class Recipe(Openable, AsyncIterable[Any]):
    """The source and the operators of a stream, made for each run, and its text."""

    __slots__ = ("_frames", "_open_source", "_row", "_seconds", "_tasks", "provenance", "text")

    def __init__(
        self,
        open_source: OpenSource,
        row: Operators | None,
        text: object,
        *,
        tasks: bool = False,
        grace: float = GRACE,
        provenance: Provenance | None = None,
        depth: int = SOURCE,
    ) -> None:
        self._open_source = open_source
        self._row = row
        self.text: object = text  # its label
        self._tasks = tasks  # whether it needs tasks
        self._seconds = grace  # seconds that each source may take to close
        self.provenance: Provenance | None = provenance  # for `explain`, if it is made of others
        self._frames = depth  # frames of Python that it takes to open and to step it

    @classmethod
    def source(
        cls, open_source: OpenSource, text: object, *row: Maker, note: Provenance | None = None
    ) -> "Recipe":
        """One whose source is what `open_source` makes for each run, written down as `text`."""
        depth = SOURCE + OPERATOR * len(row)
        return cls(
            open_source, Operators(None, row) if row else None, text, provenance=note, depth=depth
        )

    @classmethod
    def of(cls, given: Any) -> "Recipe":
        """What `Stream(given)` is made of."""
        text = label.call("Stream", given)
        if not isinstance(given, Openable):
            return cls(opener_of(given), None, text)
        inner = recipe_of(given)
        return cls(
            opener_of(inner),
            None,
            text,
            tasks=inner._tasks,
            grace=inner._seconds,
            provenance=(INSIDE, text, (inner,), 0, 0),
            depth=INSIDE.frames + inner._frames,
        )

    @classmethod
    def combine(
        cls,
        open_source: OpenSource,
        call: label.Label,
        parts: Sequence[Openable],
        layout: Layout,
        bound: int = 0,
        workers: int = 1,
    ) -> "Recipe":
        """One made of others, with this layout; it needs tasks if that does or one of them."""
        return cls(
            open_source,
            None,
            call,
            tasks=layout.kind != "in turn" or any(map(needs_tasks, parts)),
            grace=max(map(grace_of, parts), default=GRACE),
            provenance=(layout, call, parts, bound, workers),
            depth=layout.frames + max(map(depth_of, parts), default=0),
        )

    def then(self, call: label.Label | None, *makers: Maker) -> "Recipe":
        """The same with more operators; no label for what the user has not written."""
        text = self.text if call is None else call.after(self.text)
        depth = self._frames + OPERATOR * len(makers)
        return self._changed(Operators(self._row, makers), text, self._seconds, depth)

    def with_grace(self, call: label.Label, seconds: float) -> "Recipe":
        """The same with another cleanup timeout."""
        return self._changed(self._row, call.after(self.text), seconds, self._frames)

    def _changed(self, row: Operators | None, text: object, grace: float, depth: int) -> "Recipe":
        return Recipe(
            self._open_source,
            row,
            text,
            tasks=self._tasks,
            grace=grace,
            provenance=self.provenance,
            depth=depth,
        )

    def _open(self, owner: Owner) -> Source:
        source = self._open_source(owner)
        if self._row is None:
            return source
        return Segment(source, [make(owner) for make in self._row.all()], owner)

    def _needs_tasks(self) -> bool:
        return self._tasks

    def _grace(self) -> float:
        return self._seconds

    def _depth(self) -> int:
        return self._frames

    def __aiter__(self) -> AsyncIterator[Any]:
        return Run(self, bare=True)

    def __repr__(self) -> str:
        return str(self.text)


def recipe_of(source: Any) -> Recipe:
    """What a stream, or what can be made one, is made of."""
    if isinstance(source, Recipe):
        return source
    recipe = getattr(source, "_recipe", None)  # of a stream
    return recipe if isinstance(recipe, Recipe) else Recipe.of(source)


def of_all(
    call: label.Label,
    sources: Iterable[Any],
    make: Callable[[list[Recipe]], OpenSource],
    layout: Layout,
    bound: int = 0,
) -> Recipe:
    """One made of several sources."""
    parts = [recipe_of(source) for source in sources]
    return Recipe.combine(make(parts), call, parts, layout, bound)
