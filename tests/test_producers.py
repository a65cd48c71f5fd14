"""`producer`: functions that send, each in a task of its own."""

import inspect
from collections import deque
from typing import Any

import anyio
import pytest

from anystream import Sender, Stream, StreamClosedError, StreamError, producer
from anystream._core.channel import Lane
from anystream.testing import TrackedSource, check_operator


@producer
async def letters(sender: Sender[str], text: str, pause: float = 0) -> None:
    for letter in text:
        await anyio.sleep(pause)
        await sender.send(letter)


@producer
async def relayed(sender: Sender[int], source: Stream[int]) -> None:
    await source.for_each(sender.send)


@producer
async def both(sender: Sender[int], *sources: Stream[int]) -> None:
    for source in sources:
        sender.start_soon(lambda sender, each: each.for_each(sender.send), source)


async def test_each_opening_calls_the_function_with_the_arguments_of_the_call() -> None:
    stream = letters("abc")
    assert await stream.collect() == ["a", "b", "c"]
    assert await stream.map(str.upper).collect() == ["A", "B", "C"]
    assert repr(stream) == "letters('abc')"


@pytest.mark.parametrize(("buffer", "ahead"), [(0, 0), (1, 1), (3, 3)])
async def test_so_many_items_wait(buffer: int, ahead: int) -> None:
    sent: list[int] = []

    @producer(buffer=buffer)
    async def numbers(sender: Sender[int]) -> None:
        for number in range(100):
            await sender.send(number)
            sent.append(number)

    async with numbers() as items:
        assert await anext(items) == 0
        await anyio.sleep(1)
        assert len(sent) <= 1 + ahead
        assert await anext(items) == 1
        await anyio.sleep(1)
        assert len(sent) <= 2 + ahead


def test_a_wrong_call_is_an_error_at_the_call() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'text'"):
        letters()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def test_the_stream_ends_when_all_of_its_functions_have_returned() -> None:
    @producer
    async def later(sender: Sender[int]) -> None:
        async def send(sender: Sender[int], number: int, *, after: float) -> None:
            await anyio.sleep(after)
            await sender.send(number)

        for number in range(5):
            sender.start_soon(send, number, after=5 - number)

    assert await later().collect() == [4, 3, 2, 1, 0]


def lane_of(sender: Sender[Any]) -> Lane:
    """That of the task which sends with it."""
    send: Any = sender._send  # pyright: ignore[reportPrivateUsage]  # what is kept
    lane: Lane = send.__self__.lane
    return lane


async def test_many_tasks_that_are_over_are_not_kept() -> None:
    kept: list[int] = []

    @producer
    async def chained(sender: Sender[int], left: int) -> None:
        async def once(sender: Sender[int], left: int) -> None:
            channel = lane_of(sender).channel
            kept.append(len(channel.tasks) + len(channel.lanes))
            await sender.send(left)
            if left:
                sender.start_soon(once, left - 1)

        await once(sender, left)

    assert await chained(200).count() == 201
    assert max(kept) <= 8


async def test_an_error_comes_bare_behind_what_was_sent_and_stops_the_others() -> None:
    stopped: list[str] = []

    @producer(buffer=5)
    async def failing(sender: Sender[int]) -> None:
        async def waits(sender: Sender[int]) -> None:
            try:
                await anyio.sleep(100)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.1)
                    stopped.append("waits")

        sender.start_soon(waits)
        await sender.send(1)
        await sender.send(2)
        await anyio.sleep(1)
        raise EOFError

    got: list[int] = []
    with pytest.raises(EOFError):
        async with failing() as items:
            async for item in items:
                got.append(item)
    assert got == [1, 2]
    assert stopped == ["waits"]


async def test_errors_of_one_instant_are_one_error_with_the_others_attached() -> None:
    @producer
    async def failing(sender: Sender[int]) -> None:
        down = anyio.Event()

        async def fail(_: Sender[int], error: Exception) -> None:
            await down.wait()
            raise error

        for error in (ConnectionError("a"), ConnectionError("b")):
            sender.start_soon(fail, error)
        await anyio.sleep(1)
        down.set()

    with pytest.raises(ConnectionError) as caught:
        await failing().collect()
    assert len(getattr(caught.value, "__notes__", ())) == 2


async def test_the_cleanup_of_the_function_may_await_when_the_stream_is_left() -> None:
    closed: list[str] = []

    @producer
    async def holding(sender: Sender[int]) -> None:
        try:
            await sender.send(1)
            await sender.send(2)
        finally:
            await anyio.sleep(0.5)
            closed.append("main")

    async with holding() as items:
        assert await anext(items) == 1
    assert closed == ["main"]


async def test_a_send_after_the_end_is_an_error_where_it_is_shielded() -> None:
    seen: list[BaseException] = []

    @producer
    async def stubborn(sender: Sender[int]) -> None:
        with anyio.CancelScope(shield=True):
            await sender.send(1)
            await anyio.sleep(1)
            try:
                await sender.send(2)
            except StreamError as error:
                seen.append(error)
            sender.start_soon(never)

    async with stubborn() as items:
        await anext(items)
    assert [type(error) for error in seen] == [StreamClosedError]


async def never(_: Sender[int]) -> None:
    raise AssertionError


def keeping(senders: list[Sender[int]], buffer: int) -> Stream[int]:
    """One item, of two functions that have returned, and whose senders are kept."""

    @producer(buffer=buffer)
    async def keep(sender: Sender[int]) -> None:
        async def last(own: Sender[int]) -> None:
            senders.append(own)
            await anyio.sleep(0.5)

        senders.append(sender)
        sender.start_soon(last)
        await sender.send(1)

    return keep()


async def refused(senders: list[Sender[int]], match: str = r"keep\(\) has ended") -> None:
    """Nothing may be sent any more, and nothing is started."""
    assert len(senders) == 2
    for sender in senders:
        sender.start_soon(never)
        with anyio.fail_after(1), pytest.raises(StreamClosedError, match=match):
            await sender.send(2)


@pytest.mark.parametrize("buffer", [0, 5])
async def test_a_sender_is_refused_after_the_end_of_the_stream(buffer: int) -> None:
    senders: list[Sender[int]] = []
    async with keeping(senders, buffer) as items:
        assert await anext(items) == 1
        await anyio.sleep(1)
        await refused(senders)
        assert [item async for item in items] == []
        await refused(senders)
    await refused(senders)


@pytest.mark.parametrize("buffer", [0, 5])
async def test_a_sender_is_refused_however_the_run_was_left(buffer: int) -> None:
    senders: list[Sender[int]] = []
    assert await keeping(senders, buffer).collect() == [1]
    await refused(senders)
    senders.clear()
    async with keeping(senders, buffer) as items:
        assert await anext(items) == 1
        await anyio.sleep(1)
    await refused(senders)
    senders.clear()
    async with keeping(senders, buffer) as items:
        assert await anext(items) == 1
        await anyio.sleep(0.1)  # and so one of the functions has returned
    await refused(senders, "closed")


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("buffer", [0, 1])
async def test_a_send_that_waits_hears_of_the_end_and_of_the_close(
    buffer: int, closed: bool
) -> None:
    """Also in a task of somebody else, and after the function of the sender has returned."""
    senders: list[Sender[int]] = []
    told: list[float] = []

    @producer(buffer=buffer)
    async def waiting(sender: Sender[int]) -> None:
        async def run(own: Sender[int]) -> None:
            await anyio.sleep(5)

        senders.append(sender)
        sender.start_soon(run)

    async def fill() -> None:
        with pytest.raises(StreamClosedError):
            for number in range(9):
                await senders[0].send(number)
        told.append(anyio.current_time() - start)

    start = anyio.current_time()
    async with anyio.create_task_group() as tasks, waiting():
        await anyio.sleep(1)
        tasks.start_soon(fill)
        await anyio.sleep(1 if closed else 9)
    assert told == [pytest.approx(2 if closed else 5)]


@pytest.mark.parametrize("buffer", [0, 1])
async def test_a_sender_whose_function_has_returned_sends_while_another_function_runs(
    buffer: int,
) -> None:
    @producer(buffer=buffer)
    async def outer(sender: Sender[int]) -> None:
        async def send(own: Sender[int], number: int) -> None:
            await anyio.sleep(1)
            await own.send(number)
            await sender.send(number + 1)
            if number < 4:
                sender.start_soon(send, number + 2)

        sender.start_soon(send, 0)

    assert await outer().collect() == [0, 1, 2, 3, 4, 5]


async def test_a_cancelled_send_has_not_handed_the_item_over() -> None:
    got: list[int] = []

    @producer
    async def impatient(sender: Sender[int]) -> None:
        unsent = deque(range(5))
        while unsent:
            with anyio.move_on_after(0.3):
                await sender.send(unsent[0])
                unsent.popleft()

    async with impatient() as items:
        async for item in items:
            got.append(item)
            await anyio.sleep(1)
    assert got == [0, 1, 2, 3, 4]


async def test_a_send_that_is_cancelled_when_it_is_woken_wakes_the_next() -> None:
    scope = anyio.CancelScope()

    @producer(buffer=1)
    async def crowded(sender: Sender[int]) -> None:
        async def send_in_scope() -> None:
            with scope:
                await sender.send(1)

        await sender.send(0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_in_scope)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(sender.send, 2)

    async with crowded() as items:
        await anyio.sleep(1)
        assert await anext(items) == 0  # makes a place, for which the first one is woken
        scope.cancel()
        assert await anext(items) == 2


async def test_a_step_that_is_cancelled_leaves_the_function_alone() -> None:
    async with letters("abc", 1) as items:
        for letter in "abc":
            with anyio.move_on_after(0.4):
                await anext(items)
            assert await anext(items) == letter


@pytest.mark.parametrize("fn", [5, None, "name", dict])
def test_what_is_no_function_is_refused(fn: Any) -> None:
    with pytest.raises(TypeError, match="needs an async function whose first argument is a Sender"):
        producer()(fn)


async def test_a_method_is_refused_but_for_one_of_an_object() -> None:
    async def send(self: Any, sender: Sender[int]) -> None:
        await sender.send(self)

    with pytest.raises(TypeError, match=r"whose first one is self; call producer\(self\.send\) in"):
        producer(send)
    assert await producer(send.__get__(5))().collect() == [5]


def test_a_function_without_a_place_for_the_sender_is_refused() -> None:
    async def none() -> None: ...

    async def named(*, sender: Sender[int]) -> None: ...

    for fn in (none, named):
        wrong: Any = fn
        with pytest.raises(TypeError, match="needs an async function whose first argument is a Se"):
            producer(wrong)


def test_the_signature_is_that_of_a_call() -> None:
    @producer
    async def letters(sender: Sender[str], text: str, *, times: int = 1) -> None: ...

    @producer
    async def anything(*given: Any) -> None: ...

    names = [*inspect.signature(letters).parameters]
    assert names == ["text", "times"]
    assert [*inspect.signature(anything).parameters] == ["given"]
    assert inspect.signature(letters).parameters["times"].default == 1


def test_an_async_generator_function_is_for_the_other_decorator() -> None:
    async def generate(sender: Sender[int]) -> Any:
        yield 1

    def generate_plainly(sender: Sender[int]) -> Any:
        yield 1

    for fn in (generate, generate_plainly):
        with pytest.raises(TypeError, match="@stream is for async generator functions"):
            producer(fn)
    with pytest.raises(ValueError, match="buffer must be"):
        producer(buffer=-1)


async def test_a_function_that_is_not_async_is_an_error_of_the_stream() -> None:
    @producer
    def plain(sender: Sender[int]) -> Any:
        return 5

    with pytest.raises(TypeError, match=r"a function of plain\(\) must be async.* returned 5"):
        await plain().collect()

    @producer
    async def starts(sender: Sender[int]) -> None:
        sender.start_soon(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    with pytest.raises(TypeError, match="fn must be a function"):
        await starts().collect()


def test_it_keeps_the_contract_of_an_operator() -> None:
    assert check_operator(relayed, [1, 2, 3], [1, 2, 3]) > 50
    assert check_operator(lambda s: both(s, Stream([])), [1, 2], [1, 2]) > 40


async def test_what_it_reads_is_closed() -> None:
    source = TrackedSource(range(9), pause=0.1)
    assert await relayed(Stream(source.generator)).take(2).collect() == [0, 1]
    assert source.open_runs == 0


@pytest.mark.parametrize("cleanup", [0, 1, 2])
async def test_a_refused_item_is_no_error_even_beside_those_of_a_cleanup(cleanup: int) -> None:
    """What is sent from behind a shield comes too late, in a run whose cleanup fails as well."""
    sources = [TrackedSource(range(9), cleanup_error=OSError(n)) for n in range(max(1, cleanup))]
    if not cleanup:
        sources = [TrackedSource(range(9))]

    @producer
    async def relayed(sender: Sender[int]) -> None:
        async def send(item: int) -> None:
            with anyio.CancelScope(shield=True):
                await sender.send(item)

        both = Stream(sources[0].generator).zip(*(each.generator for each in sources[1:]))
        await both.starmap(lambda *row: row[0]).for_each(send)

    raised: list[BaseException] = []
    try:
        async with relayed() as items:
            await anext(items)
            await anyio.sleep(1)
    except BaseException as error:
        raised += error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    assert sorted(str(error) for error in raised) == [str(n) for n in range(cleanup)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_a_refused_item_is_no_error_in_the_group_of_a_task_group(
    failing: int, late: bool
) -> None:
    """And what fails beside a send that came too late is read ahead, and never reached."""

    async def fail(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise OSError(number)

    @producer
    async def numbers(sender: Sender[int]) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(failing):
                tasks.start_soon(fail, number)
            with anyio.CancelScope(shield=late):
                while True:
                    await sender.send(1)

    raised: list[BaseException] = []
    try:
        async with numbers() as items:
            await anext(items)
            await anyio.sleep(1)
    except BaseException as error:
        raised += error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    reached = [] if late else range(failing)
    assert sorted(str(error) for error in raised) == [str(n) for n in reached]
