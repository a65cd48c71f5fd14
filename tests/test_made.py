"""What a function of the user's has made is closed with all that it has, after its iterator."""

import pathlib
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TextIO

import anyio
import pytest

from anystream import CleanupTimeoutError, Retry, Stream, chain, merge, race
from anystream.net import lines
from anystream.testing import TrackedSource


class Reply:
    """A stream as the clients of LLM servers give one: an iterable over an inner generator."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.log: list[str] = [] if log is None else log
        self.inner = self.read()

    async def read(self) -> AsyncIterator[int]:
        try:
            for n in range(100):
                await anyio.sleep(0.01)
                yield n
        finally:
            self.log.append("inner")

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            async for item in self.inner:
                yield item
        finally:
            self.log.append("iterator")

    async def end(self) -> None:
        await anyio.sleep(0.1)
        await self.inner.aclose()  # type: ignore[attr-defined]
        self.log.append("end")


class WithAclose(Reply):
    async def aclose(self) -> None:
        await self.end()


class WithClose(Reply):
    async def close(self) -> None:
        await self.end()


class WithExit(Reply):
    async def __aexit__(self, *_: object) -> None:
        await self.end()

    def close(self) -> None:
        raise AssertionError("this must not run")

    aclose = close


class Numbers:
    """Without anything inside."""

    closed = False

    def __aiter__(self) -> AsyncIterator[int]:
        return Stream(range(9)).__aiter__()

    def close(self) -> Any:
        self.closed = True


REPLIES = [WithAclose, WithClose, WithExit]

WAYS: dict[str, Callable[[Callable[[], Any]], Stream[Any]]] = {
    "function": Stream,
    "flat_map": lambda make: Stream([1]).flat_map(lambda _: make()),
    "flat_map concurrent": lambda make: Stream([1]).flat_map(lambda _: make(), concurrency=2),
    "switch_map": lambda make: Stream([1]).switch_map(lambda _: make()),
    "catch": lambda make: Stream(fail).catch(lambda _: make()),
    "resume": lambda make: chain([0], Stream(fail)).retry(Retry(first=0), resume=lambda _: make()),
    "buffer": lambda make: Stream(make).buffer(0),
    "merge": lambda make: merge(Stream(make), []),
}


def fail() -> Any:
    raise EOFError


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", REPLIES)
async def test_it_is_closed_after_its_iterator(kind: type[Reply], way: str) -> None:
    log: list[str] = []

    async def make() -> Reply:
        return kind(log)

    for function in (lambda: kind(log), make):
        log.clear()
        await WAYS[way](function).take(2).drain()
        assert log == ["iterator", "inner", "end"]
        log.clear()
        with anyio.move_on_after(0.025):
            await WAYS[way](function).drain()
        assert log[-1] == "end"
        assert sorted(log) == ["end", "inner", "iterator"]


class Rows(WithAclose):
    """A cursor of asyncpg is one: to await it opens it for methods of its own."""

    def __await__(self) -> Any:
        raise AssertionError("this must not run")


class Answers(Rows):
    """One that is its own iterator, as `Streamer` of aiostream is."""

    async def __aenter__(self) -> "Answers":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    def __aiter__(self) -> "Answers":  # type: ignore[override]
        return self

    def __anext__(self) -> Any:
        return anext(self.inner)


class Connecting:
    """`connect` of websockets: iterated, it gives one connection after the other."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def __await__(self) -> Any:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Any:
        self.connection = WithExit(self.log)
        return self.connection

    async def __aexit__(self, *error: object) -> None:
        await self.connection.end()

    async def __aiter__(self) -> AsyncIterator[Reply]:
        yield WithExit(self.log)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [Rows, Answers, Connecting])
async def test_one_that_can_be_awaited_and_iterated(kind: Callable[..., Any], way: str) -> None:
    log: list[str] = []
    items = await WAYS[way](lambda: kind(log)).take(3).collect()
    assert items[-1] in (1, 2)
    assert log[-1] == "end"


async def test_it_is_closed_at_the_end_of_a_bare_loop_and_of_each_attempt() -> None:
    log: list[str] = []
    async for _ in Stream(lambda: WithClose(log)):
        pass
    assert sorted(log) == ["end", "inner", "iterator"]
    log.clear()
    stream = Stream(lambda: WithExit(log)).map(lambda n: 1 // n).retry(Retry(1, first=0))
    with pytest.raises(ZeroDivisionError):
        await stream.drain()
    assert log == ["iterator", "inner", "end"] * 2


async def test_one_that_was_handed_over_is_closed_if_it_has_aclose() -> None:
    for kind, closed in ((WithAclose, True), (WithClose, False)):
        reply = kind()
        await Stream(reply).take(2).drain()
        assert ("end" in reply.log) == closed
        await reply.inner.aclose()  # type: ignore[attr-defined]


OVER: dict[str, Callable[[WithAclose], Stream[Any]]] = {
    "merge": lambda reply: merge(reply, []),
    "chain": lambda reply: chain(reply, [1]),
    "race": lambda reply: race(reply, Stream([1]).delay(9)),
    "flat_map": lambda reply: Stream([1]).flat_map(lambda _: reply),
    "map": lambda reply: Stream(reply).buffer(0).map(str, concurrency=2),
    "switch_map": lambda reply: Stream(reply).switch_map(lambda n: [n]),
    "retry": lambda reply: Stream(reply).retry().catch(lambda error: []),
}


@pytest.mark.parametrize("over", OVER)
async def test_wherever_it_was_handed_over(over: str) -> None:
    reply = WithAclose()
    assert len(await OVER[over](reply).take(2).collect()) == 2
    assert reply.log[-1] == "end"
    reply = WithAclose()
    with anyio.move_on_after(0.055):
        await OVER[over](reply).drain()
    assert (reply.log[-1], sorted(reply.log)) == ("end", ["end", "inner", "iterator"])


ENTERED: dict[str, Callable[[Any], Stream[Any]]] = {
    "stream": Stream,
    "buffer": lambda run: Stream(run).buffer(0),
    "merge": lambda run: merge(run, []),
    "workers": lambda run: Stream(run).map(lambda n: n, concurrency=2, ahead=0).buffer(0),
    "flat_map": lambda run: Stream([1]).flat_map(lambda _: run),
    "function": lambda run: Stream(lambda: run),
}


@pytest.mark.parametrize("tasks", [False, True])
@pytest.mark.parametrize("form", ENTERED)
async def test_a_run_belongs_to_the_block_that_has_entered_it(form: str, tasks: bool) -> None:
    source = TrackedSource(range(9))
    numbers = Stream(source.iterator)
    async with numbers.buffer(0) if tasks else numbers as run:
        assert await ENTERED[form](run).first() == 0
        assert source.open_runs == 1
        assert await anext(run) in range(1, 4)  # workers may have taken some
        assert await ENTERED[form](run).count() > 0
        assert await anext(run, None) is None
    assert source.open_runs == 0


async def test_a_run_that_nobody_has_entered_is_closed() -> None:
    source = TrackedSource(range(9))
    assert await Stream(aiter(Stream(source.iterator))).first() == 0
    assert source.open_runs == 0


async def test_a_plain_close_will_do() -> None:
    made, given = Numbers(), Numbers()
    await Stream(lambda: made).first()
    await Stream(given).first()
    assert (made.closed, given.closed) == (True, False)


async def test_one_that_was_handed_over_is_let_go_with_the_run() -> None:
    held = [aiter(Numbers())]
    known = weakref.ref(held[0])
    await Stream(held.pop()).take(2).drain()
    assert known() is None


class OfGRPC:
    """A call of `grpc.aio` has nothing but this to be ended by."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def __aiter__(self) -> AsyncIterator[int]:
        for n in range(9):
            await anyio.sleep(0.01)
            yield n

    def cancel(self) -> bool:
        self.log.append("cancelled")
        return True


@pytest.mark.parametrize("way", WAYS)
async def test_one_without_a_close_is_cancelled_if_it_is_left_early(way: str) -> None:
    for early in (True, False):
        made: list[OfGRPC] = []

        def make(made: list[OfGRPC] = made) -> OfGRPC:
            made.append(OfGRPC())
            return made[-1]

        stream = WAYS[way](make)
        await (stream.take(3) if early else stream).drain()
        assert [call.log for call in made] == [["cancelled"] if early else []]


async def test_one_without_a_close_that_was_handed_over_goes_on() -> None:
    call = OfGRPC()
    await Stream(call).take(3).drain()
    assert call.log == []


async def test_one_of_many_items_is_not_made_for_the_stream() -> None:
    replies = [WithClose(), WithClose()]
    assert await Stream(replies).flatten().count() == 200
    assert [reply.log for reply in replies] == [["inner", "iterator"]] * 2


class Shelf:
    """An iterable that has to be closed."""

    closed = False

    def __iter__(self) -> Iterator[int]:
        return iter(range(9))

    def close(self) -> None:
        self.closed = True


class Generating(Shelf):
    """One whose iterator is a generator, which is closed before it."""

    inner_closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            assert not self.closed
            self.inner_closed = True

    def close(self) -> None:
        assert self.inner_closed
        self.closed = True


class Cursor(Shelf):
    """An iterator that has to be closed, as a file is."""

    def __iter__(self) -> Iterator[int]:
        return self  # type: ignore[return-value]

    def __next__(self) -> int:
        return 1


class Remote(Shelf):
    """The same, and that takes its time."""

    async def aclose(self) -> None:
        await anyio.sleep(0.1)
        self.closed = True

    def close(self) -> None:
        raise AssertionError("this must not run")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [Shelf, Generating, Cursor, Remote])
async def test_a_plain_iterable_that_a_function_makes_is_closed(
    kind: type[Shelf], way: str
) -> None:
    made = kind()
    await WAYS[way](lambda: made).take(2).drain()
    assert made.closed
    made = kind()
    with pytest.raises(ZeroDivisionError):
        await WAYS[way](lambda: made).skip(1).map(lambda n: n / 0).drain()
    assert made.closed
    if kind is Shelf:
        made = kind()
        await WAYS[way](lambda: made).drain()
        assert made.closed


async def test_each_of_them_is_closed_before_the_next() -> None:
    made: list[Shelf] = []

    def make(n: int) -> Shelf:
        assert all(shelf.closed for shelf in made)
        made.append(Shelf())
        return made[-1]

    assert await Stream(range(3)).flat_map(make).count() == 27
    assert [shelf.closed for shelf in made] == [True] * 3


async def test_a_file_that_a_function_opens_is_closed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lines"
    path.write_text("a\nb\n")
    files: list[TextIO] = []

    def opened(_: object = None) -> TextIO:
        files.append(path.open())
        return files[-1]

    assert await Stream(opened).first() == "a\n"
    assert await Stream([1, 2]).flat_map(opened).collect() == ["a\n", "b\n"] * 2
    assert [file.closed for file in files] == [True] * 3


async def test_a_plain_iterable_that_was_handed_over_stays_open() -> None:
    for given in (Shelf(), Cursor()):
        await Stream(given).take(1).drain()
        await Stream([given]).flatten().take(1).drain()
        assert not given.closed


@pytest.mark.parametrize("way", [*WAYS, "lines"])
async def test_what_cannot_be_read_is_closed_whoever_has_made_it(way: str) -> None:
    class Reader:
        closed = False

        async def aclose(self) -> None:
            await anyio.sleep(0.5)
            self.closed = True

    class Broken(Reader):
        def __aiter__(self) -> Any:
            raise RuntimeError("broken")

    make = {**WAYS, "lines": lines}[way]
    for kind, error in ((Reader, TypeError), (Broken, RuntimeError)):
        made = kind()
        with pytest.raises(error):
            await make(lambda made=made: made).drain()
        assert made.closed


async def test_a_plain_aclose_will_do() -> None:
    class Given(Numbers):
        def aclose(self) -> None:
            self.closed = True

    class Own(Given):
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> int:
            return 1

    for given in (Given(), Own()):
        assert await Stream(given).take(2).count() == 2
        assert given.closed


async def test_what_cannot_be_read_is_closed_as_well() -> None:
    class Connection:
        closed = False

        async def close(self) -> None:
            self.closed = True

    connection = Connection()
    with pytest.raises(TypeError, match="expected a stream"):
        await Stream(lambda: connection).drain()  # type: ignore[arg-type, return-value]
    assert connection.closed
    with pytest.raises(TypeError, match="expected a stream"):
        await Stream(lambda: 5).drain()  # type: ignore[arg-type, return-value]


async def test_it_has_the_grace_period() -> None:
    class Hangs(Numbers):
        def close(self) -> Any:
            return anyio.sleep(60)

    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await Stream(Hangs).take(1).drain()
    assert anyio.current_time() - start == pytest.approx(1)


async def test_one_that_is_its_own_iterator_is_closed_once() -> None:
    log: list[str] = []

    class Own:
        def __aiter__(self) -> "Own":
            return self

        async def __anext__(self) -> int:
            return 1

        async def __aexit__(self, *_: object) -> None:
            log.append("exit")

    class Both(Own):
        async def aclose(self) -> None:
            log.append("aclose")

    await Stream(lambda: Own()).first()
    await Stream(lambda: Both()).first()
    assert log == ["exit", "aclose"]
