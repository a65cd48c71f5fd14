"""Plain and async iterators that are less, or more, than those of the builtins."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from anystream import Stream, StreamConsumedError, chain, merge, zip


class Rewound:
    """An iterator that begins anew after its end, as the loaders of several libraries do."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.at = 0
        self.ends = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.at == self.size:
            self.at = 0
            self.ends += 1
            raise StopIteration
        self.at += 1
        return self.at


class Bare:
    """An iterable whose iterator has `__next__` and nothing else, which is enough for `for`."""

    def __iter__(self) -> Iterator[int]:
        rewound = Rewound(3)

        class Stepping:
            def __next__(self) -> int:
                return next(rewound)

        return cast("Iterator[int]", Stepping())


READERS: dict[str, Callable[[Iterable[int]], Stream[Any]]] = {
    "alone": Stream,
    "made": lambda items: Stream(lambda: items),
    "map": lambda items: Stream(items).map(int),
    "tasks": lambda items: Stream(items).map(int, concurrency=2),
    "buffer": lambda items: Stream(items).buffer(2),
    "on demand": lambda items: Stream(items).buffer(0),
    "flatten": lambda items: Stream([items]).flatten(),
    "flat_map": lambda items: Stream([0]).flat_map(lambda _: items),
    "switch_map": lambda items: Stream([0]).switch_map(lambda _: items),
    "inner tasks": lambda items: Stream([0]).flat_map(lambda _: items, concurrency=2),
    "chain": lambda items: chain([], items),
    "merge": lambda items: merge([], items),
    "zip": lambda items: zip(items, strict=True).starmap(int),
    "timeout": lambda items: Stream(items).timeout(1),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("size", [*range(6), 1000])
async def test_an_iterator_is_not_asked_again_after_its_end(name: str, size: int) -> None:
    items = Rewound(size)
    assert await READERS[name](items).collect() == [*range(1, size + 1)]
    assert items.ends == 1


@pytest.mark.parametrize("name", READERS)
async def test_an_iterator_needs_no_more_than_next(name: str) -> None:
    assert await READERS[name](Bare()).collect() == [1, 2, 3]


async def test_an_error_of_an_iterator_is_told_from_that_of_a_function_in_c() -> None:
    class Failing(Rewound):
        def __next__(self) -> int:
            if self.at:
                raise ValueError
            return super().__next__()

        def __repr__(self) -> str:
            return "Failing"

    stream = Stream(Failing(3)).map(abs)
    with pytest.raises(ValueError) as info:  # noqa: PT011
        await stream.collect()
    assert info.value.__notes__ == ["in Stream(Failing), the source"]


class Query:
    """Rows as they come, or by `await` all of them at once, as clients of databases have it."""

    def __init__(self) -> None:
        self.awaited = False

    async def __aiter__(self) -> AsyncIterator[int]:
        await checkpoint()
        yield 1
        yield 2

    def __await__(self) -> Generator[Any, Any, object]:
        self.awaited = True
        yield from checkpoint().__await__()
        return object()


def fail(item: object) -> int:
    raise ValueError(item)


MADE: dict[str, Callable[[Callable[[object], Query]], Stream[int]]] = {
    "alone": lambda make: Stream(lambda: make(0)),
    "flat_map": lambda make: Stream([0]).flat_map(make),
    "inner tasks": lambda make: Stream([0]).flat_map(make, concurrency=2),
    "switch_map": lambda make: Stream([0]).switch_map(make),
    "catch": lambda make: Stream([0]).map(fail).catch(make),
}


@pytest.mark.parametrize("name", MADE)
async def test_what_is_made_is_read_as_it_is_though_it_is_awaitable_too(name: str) -> None:
    made: list[Query] = []

    def make(_: object) -> Query:
        made.append(Query())
        return made[-1]

    assert await MADE[name](make).collect() == [1, 2]
    assert [each.awaited for each in made] == [False]


async def test_a_connection_to_be_made_is_entered_though_it_gives_others() -> None:
    left: list[object] = []

    class Connecting(Query):
        async def __aenter__(self) -> object:
            return ["message"]

        async def __aexit__(self, *error: object) -> None:
            left.append(error[0])

    assert await Stream(cast("Any", Connecting)).collect() == ["message"]
    assert await Stream([0]).flat_map(cast("Any", lambda _: Connecting())).collect() == ["message"]
    assert left == [None, None]


async def numbers() -> AsyncIterator[int]:
    for n in range(4):
        await checkpoint()
        yield n


JOINED: dict[str, Callable[[Any], Stream[Any]]] = {
    "zip": lambda items: zip(items, items),
    "merge": lambda items: merge(items, items),
    "chain": lambda items: chain(items, items),
    "method": lambda items: Stream(items).zip(items),
    "functions": lambda items: merge(lambda: items, lambda: items),
    "retry": lambda items: Stream(lambda: items).take(1).repeat(2),
}


@pytest.mark.parametrize("name", JOINED)
async def test_an_async_generator_is_not_opened_twice(name: str) -> None:
    with pytest.raises(StreamConsumedError, match="can be read only once, and has been opened"):
        await JOINED[name](numbers()).collect()


async def test_nor_is_one_that_another_stream_has_closed() -> None:
    generator = numbers()
    assert await Stream(generator).take(2).collect() == [0, 1]
    with pytest.raises(StreamConsumedError, match="can be read only once, and has been opened"):
        await Stream(generator).collect()
    rest = (n for n in range(4))
    assert await Stream(rest).take(2).collect() == [0, 1]
    with pytest.raises(StreamConsumedError, match="can be read only once, and has been opened"):
        await Stream(rest).collect()


class Closable:
    """An async iterator of numbers that is closed by whoever has read it."""

    def __init__(self) -> None:
        self.rest = iter(range(4))
        self.closes = 0

    def __aiter__(self) -> "Closable":
        return self

    async def __anext__(self) -> int:
        await checkpoint()
        return next(self.rest)

    async def aclose(self) -> None:
        self.closes += 1


@pytest.mark.parametrize("name", ["zip", "merge", "chain", "method", "functions"])
async def test_what_another_stream_reads_and_closes_is_not_opened(
    name: str, tmp_path: Path
) -> None:
    file = await anyio.open_file(tmp_path / "lines", "w+")  # first: without threads this is skipped
    closable = Closable()
    sender, receiver = anyio.create_memory_object_stream[int](1)
    for given, remedy in ((closable, "share"), (receiver, "clone"), (file, "share")):
        with pytest.raises(StreamConsumedError, match=rf"is read by another stream.*{remedy}\("):
            await JOINED[name](given).collect()
    assert closable.closes == 1
    assert receiver.statistics().open_receive_streams == 0
    assert file.wrapped.closed
    sender.close()


async def test_what_is_closed_and_can_still_be_read_is_opened_by_another_stream() -> None:
    closable = Closable()
    assert await Stream(closable).take(2).collect() == [0, 1]
    assert await Stream(closable).take(2).collect() == [2, 3]


async def test_what_the_user_has_read_himself_is_no_error() -> None:
    generator = numbers()
    async for _ in generator:
        pass
    assert await Stream(generator).collect() == []
    rest = (n for n in range(4))
    assert next(rest) == 0
    assert await Stream(rest).collect() == [1, 2, 3]


async def test_a_plain_iterator_may_be_read_in_turns() -> None:
    rest = (n for n in range(4))
    assert await zip(rest, rest).collect() == [(0, 1), (2, 3)]
    items = iter(range(4))
    assert await Stream(items).take(2).collect() == [0, 1]
    assert await Stream(items).collect() == [2, 3]


async def test_what_has_only_indices_is_refused_with_what_to_write() -> None:
    class Rows:
        def __getitem__(self, index: int) -> int:
            return [1, 2][index]

    rows: Any = Rows()
    for use in (lambda: Stream(rows), Stream([rows]).flatten().collect):
        with pytest.raises(TypeError, match=r"Rows object .*; pass lambda: iter\(\.\.\.\) of it"):
            await use()
    assert await Stream(lambda: iter(rows)).collect() == [1, 2]


FILLED: dict[str, Callable[[], Any]] = {
    "set": set[int],
    "dict": dict[int, int],
    "deque": deque[int],
    "list": list[int],
}


@pytest.mark.parametrize("kind", FILLED)
async def test_an_iterable_may_be_filled_by_what_is_read_before_it(kind: str) -> None:
    failed: Any = FILLED[kind]()
    fill = next(getattr(failed, n) for n in ("add", "append", "setdefault") if hasattr(failed, n))
    assert await chain(Stream([1, 2]).tap(fill), failed).collect() == [1, 2, 1, 2]


async def test_an_iterable_that_is_not_come_to_is_not_asked() -> None:
    class Asked:
        asked = False

        def __iter__(self) -> Iterator[int]:
            self.asked = True
            return iter([2])

    asked = Asked()
    stream = chain([1], asked)
    assert await stream.take(1).collect() == [1]
    assert not asked.asked
    assert await stream.collect() == [1, 2]
    assert asked.asked
