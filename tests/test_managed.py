"""Async context managers that give what is iterated."""

import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from splits import Wire

from anystream import (
    CleanupTimeoutError,
    Stream,
    StreamConsumedError,
    StreamInterruptedError,
    chain,
    from_thread,
    merge,
    race,
    stream_data,
    zip,
)
from anystream.net import lines
from anystream.testing import every_cut

ITEMS = [0, 1, 2, 3]


async def numbers() -> AsyncGenerator[int, None]:
    for n in ITEMS:
        await anyio.sleep(0.01)
        yield n


class Replies:
    """Makes context managers, and notes what becomes of them."""

    def __init__(self, give: Callable[[], Any] = numbers, closing: float = 0.1) -> None:
        self.give = give
        self.closing = closing
        self.log: list[str] = []
        self.tasks: list[int] = []

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Any]:
        self.tasks.append(anyio.get_current_task().id)
        await anyio.sleep(0.01)
        self.log.append("entered")
        try:
            yield self.give()
        except BaseException as exc:
            self.log.append(type(exc).__name__)
            raise
        finally:
            await anyio.sleep(self.closing)
            self.log.append("left")
            self.tasks.append(anyio.get_current_task().id)


class Plain:
    """A context manager that is no generator."""

    def __init__(self, replies: Replies) -> None:
        self.inner = replies.run()

    async def __aenter__(self) -> Any:
        return await self.inner.__aenter__()

    async def __aexit__(self, *error: Any) -> Any:
        return await self.inner.__aexit__(*error)


class Subscription(Plain):
    """One that is iterated itself, as soon as it has been entered."""

    items: Any = None

    async def __aenter__(self) -> "Subscription":
        self.items = await super().__aenter__()
        return self

    def __aiter__(self) -> AsyncIterator[int]:
        iterator: AsyncIterator[int] = self.items.__aiter__()
        return iterator


def as_function(replies: Replies) -> Stream[int]:
    return Stream(replies.run)


def as_object(replies: Replies) -> Stream[int]:
    return Stream(replies.run())


def as_class(replies: Replies) -> Stream[int]:
    return Stream(lambda: Plain(replies))


def as_coroutine(replies: Replies) -> Stream[int]:
    async def make() -> Any:
        await checkpoint()
        return replies.run()

    return Stream(make)


def as_inner(replies: Replies) -> Stream[int]:
    return Stream([1]).flat_map(lambda _: replies.run())


def as_subscription(replies: Replies) -> Stream[int]:
    return Stream(lambda: Subscription(replies))


class Body(Subscription):
    """One that is iterated itself, and gives what nobody can read, as the body of an S3 object."""

    async def __aenter__(self) -> Any:
        await super().__aenter__()
        return Plain(Replies())


def as_body(replies: Replies) -> Stream[int]:
    return Stream(lambda: Body(replies))


def as_inner_subscription(replies: Replies) -> Stream[int]:
    return Stream([1]).switch_map(lambda _: Subscription(replies))


def behind_a_task(replies: Replies) -> Stream[int]:
    return Stream(replies.run).buffer(0)


def in_a_merge(replies: Replies) -> Stream[int]:
    return merge(replies.run(), [])


FORMS = [
    as_function,
    as_object,
    as_class,
    as_coroutine,
    as_inner,
    as_subscription,
    as_body,
    as_inner_subscription,
    behind_a_task,
    in_a_merge,
]
FORM = pytest.mark.parametrize("form", FORMS)


@FORM
async def test_it_is_entered_and_left(form: Any) -> None:
    replies = Replies()
    stream = form(replies)
    assert replies.log == []
    assert await stream.collect() == ITEMS
    assert replies.log == ["entered", "left"]
    assert len({*replies.tasks}) == 1


@FORM
async def test_left_early_it_is_told_what_a_generator_would_be(form: Any) -> None:
    for fails in (False, True):
        replies = Replies()
        with suppress(KeyError):
            async with form(replies) as items:
                assert await anext(items) == 0
                if fails:
                    raise KeyError
        assert replies.log == ["entered", "GeneratorExit", "left"]
        assert len({*replies.tasks}) == 1


async def test_a_time_limit_leaves_it() -> None:
    replies = Replies()
    with anyio.move_on_after(0.025):
        await as_function(replies).drain()
    assert replies.log[-2:] == ["GeneratorExit", "left"]


@pytest.mark.parametrize("form", [as_function, as_coroutine, behind_a_task, in_a_merge, as_object])
@pytest.mark.parametrize("mode", ["scope", "native"])
async def test_cancelled_anywhere(form: Any, mode: Any) -> None:
    for cut in every_cut():
        replies = Replies()
        got: list[int] = []

        async def read(replies: Replies = replies, got: list[int] = got) -> None:
            async with form(replies) as items:
                async for item in items:
                    got.append(item)

        await cut.run(read(), mode)
        assert got == ITEMS[: len(got)]
        if mode == "scope":
            assert replies.log.count("entered") == replies.log.count("left") <= 1


async def test_a_bare_loop() -> None:
    replies = Replies()
    assert [item async for item in as_function(replies)] == ITEMS
    assert replies.log == ["entered", "left"]


async def test_one_that_was_handed_over_is_entered_once() -> None:
    stream = as_object(Replies())
    await stream.drain()
    with pytest.raises(StreamConsumedError):
        await stream.drain()
    again = as_function(Replies())
    assert await again.collect() == await again.collect() == ITEMS


async def test_one_that_was_never_read_is_not_entered() -> None:
    for form in FORMS:
        if form is not behind_a_task and form is not in_a_merge:
            replies = Replies()
            async with form(replies):
                pass
            assert replies.log == []


async def test_an_entry_that_is_cancelled_is_tried_again_with_a_function() -> None:
    replies = Replies()
    async with as_function(replies) as items:
        with anyio.move_on_after(0.005):
            await anext(items)
        assert [item async for item in items] == ITEMS
    assert replies.log == ["entered", "left"]
    async with as_object(replies) as items:
        with anyio.move_on_after(0.005):
            await anext(items)
        with pytest.raises(StreamInterruptedError, match="pass a function that makes it"):
            await anext(items)


async def test_a_cancelled_step_in_what_it_gives() -> None:
    send, receive = anyio.create_memory_object_stream[int](9)
    replies = Replies(lambda: receive)
    async with as_function(replies) as items:
        for n in ITEMS:
            with anyio.move_on_after(1):
                await anext(items)
            send.send_nowait(n)
            assert await anext(items) == n
        send.close()
        assert [item async for item in items] == []
    assert replies.log == ["entered", "left"]
    receive.close()


def failing() -> Stream[int]:
    return Stream(ITEMS).map(lambda n: 6 // (2 - n))


async def failing_later() -> AsyncIterator[int]:
    async with aclosing(numbers()) as items:
        async for n in items:
            yield 6 // (2 - n)


@FORM
@pytest.mark.parametrize("give", [failing, failing_later])
async def test_it_is_left_with_the_error_of_what_it_gave(form: Any, give: Any) -> None:
    replies = Replies(give)
    got: list[int] = []
    with pytest.raises(ZeroDivisionError):
        await form(replies).for_each(got.append)
    assert got == [3, 6]
    assert replies.log == ["entered", "ZeroDivisionError", "left"]


@pytest.mark.parametrize("give", [failing, failing_later])
async def test_it_may_keep_an_error_or_replace_it(give: Any) -> None:
    @asynccontextmanager
    async def keeping() -> AsyncIterator[Any]:
        try:
            yield give()
        except ZeroDivisionError:
            await anyio.sleep(0.1)

    @asynccontextmanager
    async def replacing() -> AsyncIterator[Any]:
        try:
            yield give()
        except ZeroDivisionError as exc:
            raise LookupError from exc

    async with Stream(keeping) as items:
        assert [item async for item in items] == [3, 6]
        assert [item async for item in items] == []
    got: list[int] = []
    with pytest.raises(LookupError) as raised:
        await Stream(replacing).for_each(got.append)
    assert got == [3, 6]
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


async def test_an_error_of_what_it_gave_and_one_of_its_iterator() -> None:
    class Iterator:
        async def __anext__(self) -> int:
            raise OSError("step")

        async def aclose(self) -> None:
            raise OSError("cleanup")

    class Both:
        def __aiter__(self) -> Any:
            return Iterator()

    replies = Replies(Both)
    with pytest.RaisesGroup(OSError, OSError):
        await as_function(replies).drain()
    assert replies.log[-1] == "left"


async def test_one_that_cannot_be_entered_or_left() -> None:
    @asynccontextmanager
    async def closed() -> AsyncIterator[Any]:
        raise ConnectionError("no")
        yield ITEMS

    with pytest.raises(ConnectionError):
        await Stream(closed).drain()

    @asynccontextmanager
    async def broken() -> AsyncIterator[Any]:
        yield ITEMS
        raise ConnectionError("lost")

    got: list[int] = []
    with pytest.raises(ConnectionError, match="lost"):
        await Stream(broken).for_each(got.append)
    assert got == ITEMS


async def test_one_that_hangs_is_cut_off() -> None:
    replies = Replies(closing=60)
    with pytest.raises(CleanupTimeoutError):
        async with as_function(replies) as items:
            await anext(items)


@pytest.mark.parametrize("form", [as_function, as_object])
async def test_one_that_gives_nothing_to_iterate_is_left(form: Any) -> None:
    replies = Replies(lambda: 5)
    with pytest.raises(TypeError, match="expected a stream, an async iterable or an iterable"):
        await form(replies).drain()
    assert replies.log == ["entered", "TypeError", "left"]


async def test_a_group_of_tasks_inside_ends() -> None:
    """Left early without an error, it would wait for its tasks."""

    @asynccontextmanager
    async def fed() -> AsyncIterator[Any]:
        send, receive = anyio.create_memory_object_stream[int](0)
        async with send, receive, anyio.create_task_group() as tasks:
            tasks.start_soon(feed, send)
            yield receive

    async def feed(send: Any) -> None:
        for n in range(1000):
            await send.send(n)

    async with Stream(fed).buffer(0) as items:
        assert [await anext(items) for _ in range(3)] == [0, 1, 2]
    assert await Stream(fed).take(2).collect() == [0, 1]


async def test_it_is_who_closes_what_it_gives() -> None:
    """But for an iterator that only its reader knows of."""
    log: list[str] = []

    class Reply:
        async def __aiter__(self) -> AsyncIterator[int]:
            try:
                for n in ITEMS:
                    await checkpoint()
                    yield n
            finally:
                log.append("iterator")

        async def aclose(self) -> None:
            log.append("reply")

    replies = Replies(Reply)
    assert await as_function(replies).take(1).collect() == [0]
    assert log == ["iterator"]
    wire = Wire([b"one", b"two"])
    assert await Stream(Replies(lambda: wire).run).take(1).collect() == [b"one"]
    assert wire.closed == 0


@pytest.mark.parametrize("form", ["handed over", "made"])
async def test_one_that_gives_itself_is_entered_once(form: str) -> None:
    """As a session of a client does, which is no source."""
    log: list[str] = []

    class Session:
        async def __aenter__(self) -> "Session":
            log.append("entered")
            return self

        async def __aexit__(self, *error: object) -> None:
            log.append("left")

    session = Session()
    stream = Stream[Any](session if form == "handed over" else lambda: session)
    with pytest.raises(TypeError, match="to give a stream, an async iterable or an iterable"):
        await stream.collect()
    assert log == ["entered", "left"]


@asynccontextmanager
async def with_tasks() -> AsyncIterator[AsyncIterator[int]]:
    """Holds a scope from the first step on."""

    async def items() -> AsyncIterator[int]:
        for n in ITEMS:
            yield n
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        try:
            yield items()
        finally:
            tasks.cancel_scope.cancel()


async def generator_with_tasks() -> AsyncIterator[int]:
    async with with_tasks() as items:
        async for item in items:
            yield item


@pytest.mark.parametrize("source", [with_tasks, generator_with_tasks])
async def test_a_bare_loop_over_what_holds_a_group_is_cancelled(source: Any) -> None:
    """The group is not left inside of a shield that was entered after it."""
    got: list[int] = []
    with anyio.move_on_after(1) as scope:
        async for item in Stream[int](source).map(lambda n: n):
            got.append(item)
    assert scope.cancelled_caught
    assert got == ITEMS
    with anyio.move_on_after(1) as scope:  # and the scopes of the task are in order
        await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_one_of_another_inside() -> None:
    replies = Replies()
    outer = Replies(replies.run)
    assert await as_function(outer).collect() == ITEMS
    assert replies.log == outer.log == ["entered", "left"]


async def test_streams_and_queues_of_it() -> None:
    assert await as_function(Replies(lambda: Stream("ab").map(str.upper))).collect() == ["A", "B"]
    assert await chain(Stream(Replies(lambda: "ab").run), [1]).collect() == ["a", "b", 1]


async def test_lines_of_it() -> None:
    replies = Replies(lambda: [b"one\ntw", b"o"])
    assert await lines(replies.run).collect() == ["one", "two"]
    assert await lines(replies.run()).collect() == ["one", "two"]
    assert replies.log == ["entered", "left"] * 2


# -- what only looks like a source ----------------------------------------------------------------


async def create() -> list[int]:
    return ITEMS


@pytest.mark.parametrize("call", [Stream, lines, stream_data, merge, chain])
def test_a_coroutine_is_refused_and_closed(call: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            TypeError, match=r"pass the function, create, or lambda: create\(\.\.\.\)$"
        ):
            call(create())


class Promised:
    """As a future of asyncio, whose `__iter__` is for who awaits it."""

    def __await__(self) -> Iterator[Any]:
        return iter(())

    __iter__ = __await__


class Listening:
    """A client of Redis subscribes in one block, and is read by a method."""

    async def listen(self) -> AsyncIterator[int]:
        yield 1

    async def __aenter__(self) -> "Listening":
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Talk:
    """What holds a conversation, and shows all of it."""

    def __repr__(self) -> str:
        return f"Talk({'words ' * 1000})"

    async def words(self) -> AsyncIterator[str]:
        yield "words"


class Finished(Talk):
    words: Any = None


GIVEN: list[tuple[Any, str]] = [
    (Promised(), r"await it, and pass what it gives$"),
    (contextmanager(lambda: iter([ITEMS]))(), r"enter it by `with`, and pass what it gives$"),
    (httpx.Response(200), r"pass one of its methods, such as aiter_bytes or aiter_lines$"),
    (Talk(), r"got Talk\(words .{,300}words \); pass one of its methods, such as words$"),
    (Finished(), r"got Talk\(words .{,300}words \)$"),
]
KINDS = ["future", "manager", "response", "talk", "finished"]


@pytest.mark.parametrize("form", [Listening(), Listening], ids=["handed over", "made"])
async def test_one_that_gives_itself_is_told_what_to_pass(form: Any) -> None:
    with pytest.raises(TypeError, match="got itself; pass one of its methods, such as listen"):
        await Stream(form).drain()


@pytest.mark.parametrize("call", [Stream, merge, chain, zip, race, from_thread])
@pytest.mark.parametrize(("given", "advice"), GIVEN, ids=KINDS)
async def test_what_is_no_source_is_told_from_one(call: Any, given: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        call(given)


@pytest.mark.parametrize(("given", "advice"), GIVEN, ids=KINDS)
async def test_what_is_no_source_is_told_from_one_inside(given: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice.removesuffix("$")):
        await Stream([given]).flatten().drain()


async def test_an_awaitable_that_is_an_async_iterable_is_read() -> None:
    """As the pages of an SDK are, whose first may be awaited."""

    class Pages(Promised):
        async def __aiter__(self) -> AsyncIterator[int]:
            for item in ITEMS:
                yield item

    assert await Stream[int](Pages()).collect() == ITEMS


async def test_a_byte_stream_is_iterated_by_its_chunks_and_closed() -> None:
    for form in (lambda wire: wire, lambda wire: lambda: wire):
        wire = Wire([b"one", b"two"])
        assert await Stream(form(wire)).collect() == [b"one", b"two"]
        assert wire.closed == 1


@pytest.mark.real_time
async def test_a_process_has_its_own_way() -> None:
    process = await anyio.open_process(["true"], stdout=None)
    wrong: Any = process
    with pytest.raises(TypeError, match=r"read by anystream\.net\.lines\(process\)$"):
        Stream(wrong)
    await process.wait()
    await process.aclose()
