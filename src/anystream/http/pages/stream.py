"""A stream of items that come page by page, and knows how far its runs have come."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar, cast

from ..._core.contracts import Openable, Operator, Row
from ..._core.interrupts import protected
from ..._core.run import Run
from ..._errors import StreamError
from ..._operators.select import memory
from ..._recipe import recipe_of
from ..._stream import Stream
from .page import Items, Page, Position, State, cut, only

T_co = TypeVar("T_co", covariant=True)

REMEMBERED = 100_000  # keys of items, for `dedupe`


class Trim(Operator):
    """Pages without the items that were there before, and without those beyond a limit."""

    def __init__(self, key: Callable[[Any], Any] | None, limit: int | None) -> None:
        self.key = key
        self.new: Callable[[Any], bool] = memory(REMEMBERED).new
        self.left = limit

    def bind(self, row: Row, place: int) -> None:
        super().bind(row, place)
        if self.left == 0:
            self.ended()

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for page in batch:
            yield self.trim(page)
            if self.left == 0:
                self.ended()
                return

    def trim(self, page: Page[Any]) -> Page[Any]:
        if self.key is not None:
            key, new, places = self.key, self.new, page.origin.places
            page = only(
                page, [at for at, place in enumerate(places) if new(key(page.records[place]))]
            )
        if self.left is not None:
            if self.left < len(page.items):
                page = cut(page, self.left)
            self.left -= len(page.items)
        return page


class Decode(Operator):
    """Pages whose items are what a function makes of them."""

    def __init__(self, into: Callable[[Any], Any]) -> None:
        self.into = into

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for page in batch:
            yield replace(page, items=[*map(self.into, page.items)])


class PageRun(Run[T_co]):
    """One opening of a `PageStream`: a run that knows how far it has come.

    >>> async def main():
    ...     async with fetch_all_pages("https://api.example.com/users") as users:
    ...         async for user in users:
    ...             print(user, users.state)
    """

    __slots__ = ("ordered", "position")

    def __init__(
        self,
        stream: Openable,
        position: Position,
        *,
        bare: bool,
        grace: float | None,
        ordered: bool,
    ) -> None:
        super().__init__(stream, bare=bare, grace=grace)
        self.position: Position = position
        self.ordered: bool = ordered

    @property
    def state(self) -> State:
        """Where to continue after the items that were delivered, as JSON for `resume_from`.

        It is exact also in the middle of a page, and may be asked for at any time, after the end
        and after an error too. It holds the URLs or cursors that the server has given.

        Raises `StreamError` with `ordered=False`: there is no single place to continue from then.
        """
        if not self.ordered:
            raise StreamError(
                f"{self._reader.opening.stream!r} has no state, since its pages come in any order"
            )
        return self.position.state(self._reader.peeked)


class PageStream(Stream[T_co]):
    """The items of a paginated API, as `fetch_all_pages` gives them.

    A `Stream` with two things more: `by_page`, and the `state` of its runs. Its operators give
    ordinary streams.

    >>> async def main():
    ...     users = fetch_all_pages("https://api.example.com/users")
    ...     print(await users.map(lambda user: user["name"]).collect())
    ...     print(await users.by_page().count())
    """

    __slots__ = ("_begin", "_into", "_ordered", "_pages")

    def __init__(
        self,
        pages: Stream[Any],
        begin: State,
        ordered: bool,
        into: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(recipe_of(pages).also(lambda _: Items(Position(begin), into)))
        self._pages = pages
        self._begin = begin
        self._ordered = ordered
        self._into = into

    def _run(self, *, bare: bool, grace: float | None) -> PageRun[T_co]:
        position = Position(self._begin)
        items = recipe_of(self._pages).also(lambda _: Items(position, self._into))
        return PageRun(items, position, bare=bare, grace=grace, ordered=self._ordered)

    @protected
    async def __aenter__(self) -> PageRun[T_co]:
        return cast("PageRun[T_co]", await super().__aenter__())

    def __aiter__(self) -> PageRun[T_co]:
        return cast("PageRun[T_co]", super().__aiter__())

    def open(self, *, grace: float | None = None) -> PageRun[T_co]:
        """Open a run, as `async with stream` does, with a grace period of its own.

        >>> async def main():
        ...     async with fetch_all_pages("https://api.example.com/users").open(grace=5) as users:
        ...         print(await anext(users), users.state)
        """
        return cast("PageRun[T_co]", super().open(grace=grace))

    def by_page(self) -> Stream[Page[T_co]]:
        """The same as whole pages, each with its number, its response and its `state`.

        >>> async def main():
        ...     async with fetch_all_pages("https://api.example.com/users").by_page() as pages:
        ...         async for page in pages:
        ...             print(page.number, len(page.items), page.total)
        """
        into = self._into
        if into is None:
            return self._pages
        return Stream(recipe_of(self._pages).also(lambda _: Decode(into)))
