"""`anystream.redis` against a real server: the stream, its messages, and what becomes of them."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from contract import ON_ASYNCIO
from redis_server import NEEDED, RedisServer, pending, redis_server

from anystream import (
    CleanupTimeoutError,
    Retry,
    Stream,
    StreamClosedError,
    StreamInterruptedError,
    async_range,
    merge,
    redis,
)
from anystream.redis import Message, RedisConnectionError, RedisRefusedError
from anystream.redis.plans import RELEASED
from anystream.testing import MODES, every_cut

pytestmark = [NEEDED, pytest.mark.real_time]

NAMES = count()
SOON = Retry(times=None, first=0.01, cap=0.05)


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Group:
    """A stream of its own at the shared server."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.name = f"orders{next(NAMES)}"

    def __call__(self, **options: Any) -> Any:
        options = {"group": "g", "url": self.server.url, "retry": SOON, **options}
        return redis.group(self.name, **options)

    async def fill(self, number: int, start: int = 0) -> None:
        items = async_range(start, start + number).map(lambda n: {"n": n})
        await items.into(redis.sink(self.name, url=self.server.url))

    def ask(self, command: str, *args: str) -> str:
        return self.server.ask(command, self.name, *args)

    def pending(self) -> int:
        return pending(self.server, self.name, "g")

    def consumers(self) -> list[str]:
        """Their names, if there is such a group."""
        found = self.server.ask("--json", "XINFO", "CONSUMERS", self.name, "g")
        return [each["name"] for each in json.loads(found)] if found.startswith("[") else []

    def entries(self, suffix: str) -> list[dict[str, str]]:
        """The fields of the entries of another stream."""
        found = json.loads(self.server.ask("--json", "XRANGE", f"{self.name}{suffix}", "-", "+"))
        return [dict(zip(each[1][::2], each[1][1::2], strict=True)) for each in found]


@pytest.fixture
def orders(shared: RedisServer) -> Group:
    return Group(shared)


def numbers(messages: Any) -> list[int]:
    return [int(message.value["n"]) for message in messages]


# -- reading ------------------------------------------------------------------------------------


async def test_messages_come_in_order_and_are_acknowledged(orders: Group) -> None:
    await orders.fill(250)
    got = []
    async with orders().take(250) as messages:
        async for message in messages:
            got.append(int(message.value["n"]))
            assert message.attempt == 1
            message.ack()
    assert got == [*range(250)]
    assert orders.pending() == 0


async def test_a_group_begins_where_it_is_told(orders: Group) -> None:
    await orders.fill(3)
    assert numbers(await orders(group="all").take(3).collect()) == [0, 1, 2]
    middle = json.loads(orders.server.ask("--json", "XRANGE", orders.name, "-", "+"))[1][0]
    assert numbers(await orders(group="behind", start=middle).take(1).collect()) == [2]
    async with orders(group="new", start="$") as messages:
        with anyio.move_on_after(0.2):
            await anext(messages)
        await orders.fill(1, start=7)
        assert numbers([await anext(messages)]) == [7]


async def test_what_is_not_acknowledged_is_given_back_at_once(orders: Group) -> None:
    await orders.fill(20)
    async with orders() as messages:
        for n in range(5):
            message = await anext(messages)
            if n < 3:
                message.ack()
    assert orders.pending() == 17
    async with orders() as messages:
        again = [await anext(messages) for _ in range(17)]
        assert numbers(again) == [*range(3, 20)]
        assert [each.attempt for each in again] == [2, 2, *[1] * 15]
        redis.ack(again[0])
        redis.ack(again[1:])
    assert orders.pending() == 0


async def test_a_consumer_without_a_name_is_forgotten(orders: Group) -> None:
    await orders.fill(1)
    async with orders() as messages:
        (await anext(messages)).ack()
        assert len(orders.consumers()) == 1
    assert orders.consumers() == []


async def test_the_fields_are_decoded_when_they_are_asked_for(orders: Group) -> None:
    await orders.fill(2)

    def decode(fields: dict[bytes, bytes]) -> int:
        if fields[b"n"] == b"1":
            raise LookupError("one")
        return int(fields[b"n"])

    async with orders(decode=decode) as messages:
        assert (await anext(messages)).value == 0
        bad = await anext(messages)
        with pytest.raises(LookupError, match="one") as raised:
            bad.value  # noqa: B018  # a property
        assert raised.value.__notes__ == [f"the fields of message {bad.id} could not be decoded"]
        assert repr(bad) == f"Message({bad.id!r}, attempt=1)"


async def test_the_first_decision_about_a_message_counts(orders: Group) -> None:
    await orders.fill(3)
    async with orders() as messages:
        first, second, third = [await anext(messages) for _ in range(3)]
        first.ack()
        first.release()
        first.ack()
        second.release()
        second.ack()
    assert orders.pending() == 2
    for message in (first, second):
        message.ack()
        message.release()
    for decide in (third.ack, third.release):
        with pytest.raises(StreamClosedError, match="was given back when its stream was closed"):
            decide()


async def test_a_message_comes_again_after_the_time_that_it_was_released_for(
    orders: Group,
) -> None:
    await orders.fill(2)
    async with orders(lease=1.2) as messages:
        later, soon = await anext(messages), await anext(messages)
        start = anyio.current_time()
        later.release(1.2)
        soon.release()
        again = await anext(messages)
        assert (again.id, again.attempt) == (soon.id, 2)
        again = await anext(messages)
        assert (again.id, again.attempt) == (later.id, 2)
        assert anyio.current_time() - start > 1.1
        for after in (-1, 1.3, float("nan"), "1"):
            with pytest.raises(ValueError, match=r"after must be between 0 and the lease, 1.2 s"):
                again.release(after)  # type: ignore[arg-type]


async def test_batches_are_acknowledged_together(orders: Group) -> None:
    await orders.fill(100)
    written: list[int] = []
    stream = orders(prefetch=50).batched(20).tap(lambda batch: written.extend(numbers(batch)))
    await stream.take(5).for_each(redis.ack)
    assert written == [*range(100)]
    assert orders.pending() == 0


async def test_no_more_than_prefetch_is_ever_pending(orders: Group) -> None:
    """Also of two consumers that claim from each other."""
    await orders.fill(300)
    most = 0

    async def handled(message: Message[Any]) -> None:
        await anyio.sleep(0.001)
        message.ack() if int(message.value["n"]) % 7 else message.release()

    async def look() -> None:
        nonlocal most
        async with orders.server.connect() as (link,):
            await link.call(b"XGROUP", b"CREATE", orders.name, b"g", b"0")
            tasks.start_soon(work)
            while True:
                answer = await link.call(b"XPENDING", orders.name, b"g")
                for name, number in answer[3] or ():
                    if name in (b"a", b"b"):
                        most = max(most, int(number))
                await anyio.sleep(0.001)

    async def work() -> None:
        with anyio.move_on_after(1):
            async with anyio.create_task_group() as workers:
                for name in ("a", "b"):
                    stream = orders(consumer=name, prefetch=10, lease=0.3, attempts=None)
                    workers.start_soon(partial(stream.for_each, handled, concurrency=4))
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
    assert 5 < most <= 10


# -- handling -----------------------------------------------------------------------------------


class Until:
    """Notes what it was called with, and raises an event at the last of so many calls."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.got: list[int] = []
        self.over = anyio.Event()

    def __call__(self, value: Any) -> None:
        self.got.append(int(value["n"]))
        if len(self.got) == self.number:
            self.over.set()


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_handle_acknowledges_what_was_handled(orders: Group, concurrency: int) -> None:
    await orders.fill(100)
    fn = Until(100)
    await orders().take_until(fn.over).handle(fn, concurrency=concurrency)
    assert fn.got == [*range(100)]
    assert orders.pending() == 0


async def test_a_message_that_fails_comes_again_and_then_is_dead(orders: Group) -> None:
    await orders.fill(20)
    attempts: list[int] = []
    over = anyio.Event()
    good: set[int] = set()

    async def fn(value: Any) -> None:
        if value["n"] == "7":
            attempts.append(len(attempts) + 1)
            if len(attempts) == 3:
                over.set()
            raise KeyError("poison")
        good.add(int(value["n"]))

    stream = orders(lease=0.3, attempts=3).take_until(over)
    await stream.handle(fn, concurrency=4)
    assert attempts == [1, 2, 3]
    assert good == {*range(20)} - {7}
    (dead,) = orders.entries(":dead")
    assert dead.pop("dead:id")
    assert dead == {
        "n": "7",
        "dead:stream": orders.name,
        "dead:group": "g",
        "dead:attempts": "3",
        "dead:error": "KeyError: 'poison'",
    }
    assert orders.pending() == 0


async def test_a_message_that_kills_its_consumers_is_dead_as_well(orders: Group) -> None:
    await orders.fill(1)
    for attempt in (1, 2):
        async with orders(lease=0.2, attempts=2) as messages:
            message = await anext(messages)
            assert message.attempt == attempt
            message.release()
    async with orders(lease=0.2, attempts=2, dead="graves") as messages:
        with anyio.move_on_after(0.3) as scope:
            await anext(messages)
        assert scope.cancelled_caught
    assert orders.pending() == 0
    assert '"dead:attempts"' in orders.server.ask("--json", "XRANGE", "graves", "-", "+")
    orders.server.ask("DEL", "graves")


async def test_what_waits_beside_a_message_that_kills_its_consumers_is_handled(
    orders: Group,
) -> None:
    await orders.fill(16)
    good: set[int] = set()
    over = anyio.Event()
    async with orders.server.connect() as (link,):

        async def fall_to_gone(*more: Any) -> None:
            """All that consumers hold, as if they had been killed."""
            held = [
                id
                for id, consumer, *_ in await link.call(
                    b"XPENDING", orders.name, b"g", b"-", b"+", 99
                )
                if consumer != RELEASED.encode()
            ]
            claim = (b"XCLAIM", orders.name, b"g", b"gone", 0, *held, b"IDLE", 10_000)
            await link.call(*claim, *more, b"JUSTID")

        async def fn(value: Any) -> None:
            if value["n"] == "0":
                await fall_to_gone()
                await over.wait()
            good.add(int(value["n"]))
            if len(good) == 15:
                over.set()

        await link.call(b"XGROUP", b"CREATE", orders.name, b"g", b"0")
        await link.call(
            *(b"XREADGROUP", b"GROUP", b"g", b"gone", b"COUNT", 16),
            *(b"STREAMS", orders.name, b">"),
        )
        await fall_to_gone(b"RETRYCOUNT", 2)  # the second time
        with anyio.fail_after(10):
            stream = orders(attempts=3, lease=0.5).take_until(over)
            await stream.handle(fn, concurrency=2)
    assert good - {0} == {*range(1, 16)}
    assert [each["n"] for each in orders.entries(":dead")] == ["0"]


@pytest.mark.parametrize("how", ["fails", "kills"])
async def test_a_message_of_very_many_fields_is_dead_without_them(orders: Group, how: str) -> None:
    target = redis.sink(orders.name, url=orders.server.url)
    await target.send({f"key {n}": n for n in range(5000)})
    await target.aclose()
    await orders.fill(3)
    got: list[str] = []
    over = anyio.Event()

    def fn(value: Any) -> None:
        got.append(value["n"])
        if len(got) == 3:
            over.set()

    if how == "kills":
        async with orders(attempts=1) as messages:
            (await anext(messages)).release()
    await orders(attempts=1).take_until(over).handle(fn)
    assert got == ["0", "1", "2"]
    (dead,) = orders.entries(":dead")
    assert {name for name in dead if name[:5] != "dead:"} == set()
    assert dead["dead:id"] < orders.ask("XREVRANGE", "+", "-", "COUNT", "1").split()[0]


async def test_an_error_may_end_it(orders: Group) -> None:
    await orders.fill(5)

    def fn(value: Any) -> None:
        if value["n"] == "3":
            raise LookupError("three")

    with pytest.raises(LookupError, match="three"):
        await orders().handle(fn, on_error="raise")
    assert orders.pending() == 2


async def test_a_generator_is_an_error_and_acknowledges_nothing(orders: Group) -> None:
    await orders.fill(1)
    with pytest.raises(TypeError, match="fn gives generators"):
        await orders().handle(lambda value: (each for each in [value]), on_error="raise")
    assert orders.pending() == 1


async def test_a_function_may_decide_about_an_error(orders: Group) -> None:
    await orders.fill(4)
    fn = Until(5)
    told: list[str] = []

    def failing(value: Any) -> None:
        fn(value)
        if value["n"] in "12" and len(fn.got) < 5:
            raise LookupError(value["n"])

    async def on_error(error: Exception, message: Message[Any]) -> None:
        told.append(f"{error} {message.attempt}")
        if message.value["n"] == "1":
            message.ack()

    await orders(lease=0.3).take_until(fn.over).handle(failing, on_error=on_error)
    assert told == ["1 1", "2 1"]
    assert fn.got == [0, 1, 2, 3, 2]
    assert orders.pending() == 0


async def test_the_result_and_the_acknowledgement_are_one_step(orders: Group) -> None:
    await orders.fill(50)
    fn = Until(50)

    async def convert(value: Any) -> Any:
        fn(value)
        return {"double": 2 * int(value["n"])} if int(value["n"]) % 2 else None

    into = f"{orders.name}:out"
    await orders().take_until(fn.over).handle(convert, concurrency=4, into=into)
    assert [int(each["double"]) for each in orders.entries(":out")] == [*range(2, 100, 4)]
    assert orders.pending() == 0


async def test_a_plain_function_may_let_an_error_be(orders: Group) -> None:
    """Results, and what is dead, go into several streams at once."""
    await orders.fill(4)
    fn = Until(4)
    told: list[str] = []

    def convert(value: Any) -> Any:
        fn(value)
        if value["n"] == "2":
            raise LookupError("two")
        return value

    def on_error(error: Exception, message: Message[Any]) -> None:
        told.append(repr(error))

    stream = orders(attempts=1).take_until(fn.over)
    await stream.handle(convert, into=f"{orders.name}:out", on_error=on_error)
    assert told == ["LookupError('two')"]
    assert [each["n"] for each in orders.entries(":out")] == ["0", "1", "3"]
    assert [each["n"] for each in orders.entries(":dead")] == ["2"]


async def test_a_function_may_have_acknowledged_before_its_result(orders: Group) -> None:
    await orders.fill(1)
    over = anyio.Event()
    async with orders() as messages:
        message = await anext(messages)
        message.ack()
        message.source.publish(message, [b"n", b"0"], f"{orders.name}:out", None)
        over.set()
    assert orders.entries(":out") == []


async def test_a_late_result_is_refused(orders: Group) -> None:
    """A consumer that was gone for longer than its lease comes back with what it has."""
    await orders.fill(1)
    into = f"{orders.name}:out"
    late = redis.group(orders.name, group="g", url=orders.server.url, lease=30)
    async with late as messages:
        message = await anext(messages)
        orders.ask("XCLAIM", "g", "other", "0", message.id)
        fn = Until(1)

        def convert(value: Any) -> Any:
            fn(value)
            return {"by": "the other"}

        other = orders(consumer="other").take_until(fn.over)
        await other.handle(convert, into=into)
        message.source.publish(message, [b"by", b"late"], into, None)
        message.ack()
    assert orders.entries(":out") == [{"by": "the other"}]


async def test_a_result_that_is_no_entry_is_an_error_of_the_function(orders: Group) -> None:
    await orders.fill(1)
    for result, text in (
        (5, "the result of fn must be a mapping with at least one field, got 5"),
        ({}, r"the result of fn must be a mapping with at least one field, got {}"),
        ({"a": None}, "the result of fn must have fields of str, bytes, int or float, got None"),
        (dict.fromkeys(range(5000), 0), "must have at most 3900 fields, got 5000"),
    ):
        with pytest.raises((TypeError, ValueError), match=text):
            await orders().handle(lambda _, result=result: result, into="x", on_error="raise")
    assert orders.pending() == 1


async def test_a_call_that_takes_longer_than_the_lease_is_made_once(orders: Group) -> None:
    await orders.fill(1)
    calls = 0
    over = anyio.Event()

    async def slow(value: Any) -> None:
        nonlocal calls
        calls += 1
        await anyio.sleep(1.2)
        over.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            stream = orders(lease=0.4).take_until(over)
            tasks.start_soon(partial(stream.handle, slow))
    assert calls == 1
    assert orders.pending() == 0


async def test_take_until_finishes_what_runs_and_gives_back_the_rest(orders: Group) -> None:
    await orders.fill(30)
    stopping = anyio.Event()
    got: list[int] = []

    async def slow(value: Any) -> None:
        if len(got) >= 3:
            stopping.set()
        await anyio.sleep(0.05)
        got.append(int(value["n"]))

    await orders().take_until(stopping).handle(slow, concurrency=4)
    assert orders.pending() == 30 - len(got)
    rest = Until(30 - len(got))
    await orders().take_until(rest.over).handle(rest)
    assert sorted(got + rest.got) == [*range(30)]


WAYS: dict[str, Callable[[Any], Any]] = {
    "buffer": lambda messages: messages.buffer(50),
    "batches": lambda messages: messages.batched(8, within=0.1).flatten(),
    "several buffers": lambda messages: merge(messages.buffer(9), buffer=9).buffer(9),
    "a part": lambda messages: Stream([messages]).flatten().buffer(50),
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_on_its_way_at_the_trigger_may_be_acknowledged(
    orders: Group, way: str
) -> None:
    await orders.fill(20)
    stopping, over = anyio.Event(), anyio.Event()
    got: list[int] = []

    async def settle(message: Message[dict[str, str]]) -> None:
        await anyio.sleep(0.03)
        got.append(int(message.value["n"]))
        message.ack()
        if len(got) == 3:
            stopping.set()
        elif len(got) == 20:
            over.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            messages = orders(lease=0.3).take_until(stopping)
            tasks.start_soon(WAYS[way](messages).for_each, settle)
            await stopping.wait()  # another has what is given back, or left by the first
            tasks.start_soon(orders(lease=0.3).take_until(over).for_each, settle)
    assert sorted(got) == [*range(20)]
    assert orders.pending() == 0
    assert {*orders.consumers()} <= {RELEASED}


async def test_nothing_more_is_read_after_the_trigger(orders: Group) -> None:
    await orders.fill(1)
    stopping, over = anyio.Event(), anyio.Event()

    async def slow(value: Any) -> None:
        stopping.set()
        await over.wait()

    async with anyio.create_task_group() as tasks:
        stream = orders().take_until(stopping)
        tasks.start_soon(stream.handle, slow)
        await stopping.wait()
        await anyio.sleep(0.1)
        await orders.fill(1, start=1)
        await anyio.sleep(0.05)
        assert (await orders().lag()).behind == 1
        over.set()


async def test_a_trigger_that_never_comes(orders: Group) -> None:
    await orders.fill(1)
    async with orders().take_until(Stream([]).skip(1)) as messages:
        assert numbers([await anext(messages)]) == [0]
        await orders.fill(1, start=1)
        assert numbers([await anext(messages)]) == [1]


async def test_lag(orders: Group) -> None:
    await orders.fill(10)
    with pytest.raises(RedisRefusedError, match=f"stream '{orders.name}', group 'g' at redis://"):
        await orders().lag()
    async with orders(consumer="a", prefetch=4) as messages:
        first = await anext(messages)
        await anext(messages)
        first.ack()
        first = await orders().lag()
        assert (first.behind, first.released) in ((6, 0), (5, 0))
    lag = await orders().lag()
    assert (lag.behind, lag.pending + lag.released, lag.consumers) == (
        first.behind,
        2 * lag.released,
        {},
    )
    assert 0 < lag.oldest < 30


# -- the sink -----------------------------------------------------------------------------------


async def test_a_sink_keeps_about_the_newest(orders: Group) -> None:
    target = redis.sink(orders.name, url=orders.server.url, maxlen=100, encode=lambda n: {b"n": n})
    await async_range(5000).into(target)
    found = int(orders.ask("XLEN"))
    assert 100 <= found < 1000
    assert orders.entries("")[-1] == {"n": "4999"}


async def test_more_are_not_on_their_way_than_there_is_room_for(orders: Group) -> None:
    """What a server does not take holds up who sends."""
    target = redis.sink(orders.name, url=orders.server.url)
    await target.send({"n": 0})
    orders.server.ask("CLIENT", "PAUSE", "300", "WRITE")
    sent = 0
    with anyio.move_on_after(0.15):
        for n in range(1, 5000):
            await target.send({"n": n})
            sent = n
    assert sent < 2001
    await target.aclose()
    assert int(orders.ask("XLEN")) == sent + 1


async def test_several_tasks_may_send_at_a_time(orders: Group) -> None:
    target = redis.sink(orders.name, url=orders.server.url)
    items = async_range(5000).map(lambda n: {"n": n})
    with anyio.fail_after(30):
        await items.for_each(target.send, concurrency=8)
        await target.aclose()
    assert int(orders.ask("XLEN")) == 5000


async def test_what_waits_for_room_when_a_sink_is_closed_is_told(orders: Group) -> None:
    target = redis.sink(orders.name, url=orders.server.url)
    await target.send({"n": 0})
    orders.server.ask("CLIENT", "PAUSE", "300", "WRITE")
    sent, refused = [0], 0

    async def send(n: int) -> None:
        nonlocal refused
        try:
            await target.send({"n": n})
        except anyio.ClosedResourceError:
            refused += 1
        else:
            sent.append(n)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for n in range(1, 3000):
                tasks.start_soon(send, n)
            await anyio.sleep(0.1)
            await target.aclose()
    assert refused == 3000 - len(sent) > 0
    assert {int(each["n"]) for each in orders.entries("")} == {*sent}


async def test_a_sink_that_is_closed_may_be_used_again(orders: Group) -> None:
    target = redis.sink(orders.name, url=orders.server.url)
    await target.aclose()
    for n in range(2):
        await Stream([{"n": n}]).into(target)
    assert [each["n"] for each in orders.entries("")] == ["0", "1"]
    assert repr(target) == f"sink({orders.name!r})"


async def test_a_server_that_goes_ends_a_sink() -> None:
    with redis_server() as server:
        target = redis.sink("numbers", url=server.url)
        await target.send({"n": 1})
        await anyio.sleep(0.1)
        server.stop(signal.SIGKILL)
        with pytest.raises(RedisConnectionError, match=r"^stream 'numbers' at redis://"):
            for _ in range(1000):
                await target.send({"n": 1})
                await anyio.sleep(0.01)
        with pytest.raises(RedisConnectionError):
            await target.aclose()


@ON_ASYNCIO
@pytest.mark.parametrize("begun", [False, True])
async def test_a_sink_whose_task_is_cancelled_from_outside(orders: Group, begun: bool) -> None:
    target = redis.sink(orders.name, url=orders.server.url)
    before = asyncio.all_tasks()
    await target.send({"n": 0})
    if begun:
        await anyio.sleep(0.1)
    cancel_task("live", before)
    with pytest.raises(StreamInterruptedError, match=r"^stream 'orders\d+' at .* cancelled from"):
        for _ in range(1000):
            await target.send({"n": 1})
            await anyio.lowlevel.checkpoint()
    with pytest.raises(StreamInterruptedError, match="cancelled from outside"):
        await target.aclose()


async def test_an_item_that_is_no_entry(orders: Group) -> None:
    url = orders.server.url
    with pytest.raises(TypeError, match="an item must be a mapping with at least one field, got 1"):
        await Stream([1]).into(redis.sink(orders.name, url=url))
    with pytest.raises(TypeError, match="the result of encode must have fields of str, by"):
        await Stream([1]).into(redis.sink(orders.name, url=url, encode=lambda _: {"a": [1]}))
    values = {"text": "a", b"bytes": bytearray(b"b"), "number": 1, "float": 0.5}
    await Stream([values]).into(redis.sink(orders.name, url=url))
    assert orders.entries("") == [{"text": "a", "bytes": "b", "number": "1", "float": "0.5"}]


class Colour(str, Enum):  # noqa: UP042  # whose text is that of its name
    RED = "red"


class Real(float):
    def __repr__(self) -> str:
        return f"np.float64({float(self)})"  # as NumPy's


class Integer:
    """An integer of another library."""

    def __index__(self) -> int:
        return 100


async def test_what_is_a_text_or_a_number_is_written_as_a_plain_one(orders: Group) -> None:
    """Whatever its class makes of it."""
    fields = {"status": HTTPStatus.OK, Colour.RED: Colour.RED, "price": Real(0.5)}
    target: Any = redis.sink(orders.name, url=orders.server.url, maxlen=cast("Any", Integer()))
    await Stream([fields]).into(target)
    assert orders.entries("") == [{"status": "200", "red": "red", "price": "0.5"}]


async def test_names_may_be_members_of_an_enum(orders: Group) -> None:
    names: Any = Enum("names", [("ORDERS", orders.name), ("OUT", f"{orders.name}:out")], type=str)
    await Stream([{"n": n} for n in range(2)]).into(redis.sink(names.ORDERS, url=orders.server.url))
    fn = Until(2)

    def convert(value: Any) -> Any:
        fn(value)
        return {"double": 2 // int(value["n"])}

    messages = redis.group(names.ORDERS, group=Colour.RED, url=orders.server.url, attempts=1)
    stream = messages.take_until(fn.over)
    await stream.handle(convert, into=names.OUT, maxlen=cast("Any", Integer()))
    assert orders.entries(":out") == [{"double": "2"}]
    assert [each["dead:id"] for each in orders.entries(":dead")]
    assert orders.server.ask("XINFO", "GROUPS", orders.name).split("\n")[1] == "red"


# -- what goes wrong ----------------------------------------------------------------------------


async def test_a_server_that_is_not_there() -> None:
    stream = redis.group("orders", group="g", url="redis://user:secret@localhost:1/3")
    for step in (stream.collect, stream.lag):
        with pytest.raises(RedisConnectionError) as raised:
            await step()
        assert str(raised.value).startswith(
            "stream 'orders', group 'g' at redis://localhost:1/3: Unable to establish"
        )
        assert (raised.value.stream, raised.value.group) == ("orders", "g")
    with pytest.raises(RedisConnectionError, match=r"^stream 'orders' at redis://localhost:1: "):
        await Stream([{"a": 1}]).into(redis.sink("orders", url="redis://localhost:1"))


async def test_a_password_that_is_wrong() -> None:
    with redis_server("--requirepass", "right") as server:
        socket = str(server.socket)
        for url in (f"unix://:wrong@{socket}", f"unix://{socket}"):
            with pytest.raises(RedisRefusedError) as raised:
                await redis.group("orders", group="g", url=url).first()
            assert "wrong@" not in str(raised.value)
        right = redis.group("orders", group="g", url=f"unix://:right@{socket}")
        with anyio.move_on_after(0.2) as scope:
            await right.first()
        assert scope.cancelled_caught


async def test_a_key_of_another_type(orders: Group) -> None:
    orders.ask("SET", "text")
    with pytest.raises(RedisRefusedError, match="wrong kind of value") as raised:
        await orders().first()
    assert type(raised.value.__cause__).__name__ == "WrongTypeError"
    with pytest.raises(RedisRefusedError, match="wrong kind of value"):
        await orders.fill(5)


async def test_a_result_that_the_server_refuses_is_not_acknowledged(orders: Group) -> None:
    await orders.fill(1)
    orders.server.ask("SET", f"{orders.name}:out", "text")
    with pytest.raises(RedisRefusedError, match="wrong kind of value"):
        await orders().handle(lambda value: value, into=f"{orders.name}:out")
    assert orders.pending() == 1


async def test_what_is_held_when_the_server_refuses_a_command_is_given_back(orders: Group) -> None:
    """As after any other error of the run: not before its calls have ended."""
    await orders.fill(9)
    into = f"{orders.name}:out"
    orders.server.ask("SET", into, "text")
    acknowledged: list[int] = []
    given_back: list[bool] = []

    async def convert(value: Any) -> Any:
        if value["n"] == "0":
            return value
        try:
            await anyio.sleep(0.1)
            acknowledged.append(int(value["n"]))
        finally:
            given_back.append(orders.consumers() == [RELEASED])

    with pytest.raises(RedisRefusedError, match="wrong kind of value"):
        await orders(prefetch=5).handle(convert, concurrency=3, into=into)
    assert given_back
    assert not any(given_back)
    assert orders.consumers() == [RELEASED]
    fn = Until(9 - len(acknowledged))
    with anyio.fail_after(10):  # and not after the lease
        await orders().take_until(fn.over).handle(fn)
    assert sorted([*fn.got, *acknowledged]) == [*range(9)]


async def test_a_group_that_the_server_lets_nobody_join_is_not_joined(orders: Group) -> None:
    await orders.fill(2)
    orders.server.ask("SET", f"{orders.name}:dead", "text")
    assert await orders().take(2).count() == 2
    with pytest.raises(RedisRefusedError, match="wrong kind of value"):
        await orders(attempts=1).first()
    assert orders.consumers() == [RELEASED]


async def test_a_group_that_is_deleted_is_made_again(orders: Group) -> None:
    await orders.fill(2)
    async with orders(lease=0.6) as messages:
        for _ in range(2):
            (await anext(messages)).ack()
        await anyio.sleep(0.1)
        orders.server.ask("XGROUP", "DESTROY", orders.name, "g")
        await orders.fill(1, start=2)
        got = [await anext(messages) for _ in range(3)]
        assert numbers(got) == [0, 1, 2]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_it_goes_on_by_itself_when_the_server_comes_again(how: signal.Signals) -> None:
    pauses: list[int] = []

    def hook(number: int, error: Exception, pause: float) -> None:
        assert isinstance(error, RedisConnectionError)
        pauses.append(number)

    with redis_server("--appendonly", "yes", "--appendfsync", "always") as server:
        orders = Group(server)
        await orders.fill(200)
        fn = Until(200)

        async def slow(value: Any) -> Any:
            await anyio.sleep(0.002)
            fn(value)
            return value

        async with anyio.create_task_group() as tasks:
            policy = Retry(times=None, first=0.05, hook=hook)
            stream = orders(retry=policy).take_until(fn.over)
            tasks.start_soon(partial(stream.handle, slow, into=f"{orders.name}:out"))
            while len(fn.got) < 50:  # noqa: ASYNC110  # a server is at work
                await anyio.sleep(0.01)
            await anyio.to_thread.run_sync(server.stop, how)
            await anyio.sleep(0.1)
            await anyio.to_thread.run_sync(server.start)
        assert pauses[0] == 1
        assert fn.got == [*range(200)]
        assert [int(each["n"]) for each in orders.entries(":out")] == [*range(200)]
        assert orders.pending() == 0


async def test_a_policy_that_gives_up() -> None:
    with redis_server() as server:
        orders = Group(server)
        await orders.fill(1)
        policy = Retry(times=2, first=0.01, jitter=False)
        with pytest.raises(RedisConnectionError) as raised:
            async with orders(retry=policy) as messages:
                (await anext(messages)).ack()
                await anyio.sleep(0.1)
                server.stop(signal.SIGKILL)
                await anext(messages)
        assert raised.value.__notes__ == ["retry gave up after 3 attempts"]


async def test_acknowledgements_that_cannot_be_told_any_more() -> None:
    with redis_server() as server:
        orders = Group(server)
        await orders.fill(3)
        with pytest.raises(
            RedisConnectionError, match="closed without a connection, and 2 messages that were ac"
        ):
            async with orders(retry=Retry(times=None, first=30)) as messages:
                got = [await anext(messages) for _ in range(3)]
                server.stop(signal.SIGKILL)
                await anyio.sleep(0.1)
                redis.ack(got[:2])


async def test_a_close_connects_once_more_to_tell_acknowledgements() -> None:
    with redis_server("--appendonly", "yes", "--appendfsync", "always") as server:
        orders = Group(server)
        await orders.fill(3)
        async with orders(retry=Retry(times=None, first=30, jitter=False)) as messages:
            got = [await anext(messages) for _ in range(3)]
            server.stop(signal.SIGKILL)
            await anyio.sleep(0.1)
            redis.ack(got[:2])
            server.start()
        lag = await orders().lag()
        assert (lag.pending, lag.released) == (1, 1)


@pytest.mark.parametrize("told", [True, False])
async def test_a_server_that_hangs_is_left_within_the_grace(told: bool) -> None:
    with redis_server() as server:
        orders = Group(server)
        await orders.fill(3)
        assert server.process is not None
        errors: tuple[type[Exception], ...] = (CleanupTimeoutError,)
        with pytest.raises((*errors, ExceptionGroup)):
            async with orders().open(grace=0.2) as messages:
                message = await anext(messages)
                server.process.send_signal(signal.SIGSTOP)
                if told:
                    message.ack()
        server.process.send_signal(signal.SIGCONT)


async def test_what_others_may_have_by_now_is_not_given_to_the_reader() -> None:
    with redis_server() as server:
        orders = Group(server)
        await orders.fill(5)
        assert server.process is not None
        async with orders(lease=0.6) as messages:
            assert numbers([await anext(messages)]) == [0]
            server.process.send_signal(signal.SIGSTOP)
            await anyio.sleep(0.7)
            with anyio.move_on_after(0.05) as scope:
                await anext(messages)
            server.process.send_signal(signal.SIGCONT)
            assert scope.cancelled_caught
            assert sorted(numbers([await anext(messages) for _ in range(4)])) == [1, 2, 3, 4]


async def test_what_another_consumer_has_taken_is_not_given_to_the_reader(orders: Group) -> None:
    await orders.fill(6)
    async with orders(lease=0.6) as messages:
        assert numbers([await anext(messages)]) == [0]
        found = json.loads(orders.server.ask("--json", "XRANGE", orders.name, "-", "+"))
        orders.ask("XCLAIM", "g", "other", "0", *(id for id, _ in found[2:5]))
        await anyio.sleep(0.3)
        assert numbers([await anext(messages), await anext(messages)]) == [1, 5]


async def test_closing_does_not_wait_for_a_server_that_has_gone() -> None:
    with redis_server() as server:
        orders = Group(server)
        await orders.fill(3)
        async with orders(retry=Retry(times=None, first=30)) as messages:
            await anext(messages)
            server.stop(signal.SIGKILL)
            await anyio.sleep(0.1)


# -- cancellation -------------------------------------------------------------------------------


def cancel_task(function: str, before: set[Any]) -> None:
    """That of a function of the library's."""
    for task in asyncio.all_tasks() - before:
        if task.get_coro().__qualname__.endswith(function) or task.get_name().endswith(function):
            assert task.cancel()
            return
    raise AssertionError(f"no task of {function}")


@ON_ASYNCIO
@pytest.mark.parametrize("function", ["live", "read_on", "tell_on"])
async def test_a_task_of_a_group_that_is_cancelled_from_outside(
    orders: Group, function: str
) -> None:
    await orders.fill(1)
    before = asyncio.all_tasks()
    with anyio.fail_after(30), pytest.raises(StreamInterruptedError, match=r"group 'g' at .* canc"):
        async with orders() as messages:
            (await anext(messages)).ack()
            cancel_task(function, before)
            await anext(messages)
    assert asyncio.all_tasks() == before


async def test_a_cancelled_step_loses_nothing(orders: Group) -> None:
    async with orders() as messages:
        for n in range(20):
            with anyio.move_on_after(0.01):
                await anext(messages)
            await orders.fill(1, start=n)
            message = await anext(messages)
            assert (int(message.value["n"]), message.attempt) == (n, 1)
            message.ack()
    assert orders.pending() == 0


@pytest.mark.parametrize("mode", MODES)
async def test_cancelled_anywhere_nothing_is_pending_that_nobody_can_claim(
    orders: Group, mode: Any
) -> None:
    for cut in every_cut():
        orders.server.ask("DEL", orders.name)
        await orders.fill(6)
        acked: list[str] = []

        async def read(acked: list[str] = acked) -> None:
            async with orders(prefetch=3) as messages:
                async for message in messages:
                    message.ack()
                    acked.append(message.id)
                    if len(acked) == 5:
                        return

        await cut.run(read(), mode)
        assert {*orders.consumers()} <= {"anystream:released"}
        rest = Until(6 - len(acked))
        await orders().take_until(rest.over).handle(rest)
        assert orders.pending() == 0


# -- kill -9 ------------------------------------------------------------------------------------

WORKER = Path(__file__).with_name("redis_worker.py")


class Workers:
    """Processes that handle a stream."""

    def __init__(self, orders: Group, folder: Path) -> None:
        self.orders = orders
        self.log = folder / "log"
        self.log.touch()
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, backend: str) -> "subprocess.Popen[bytes]":
        arguments = [backend, self.orders.server.url, self.orders.name, str(self.log)]
        process = subprocess.Popen([sys.executable, str(WORKER), *arguments])
        self.running.append(process)
        return process

    def handled(self) -> Counter[int]:
        return Counter(map(int, self.log.read_text().split()))

    async def until(self, number: int) -> None:
        while len(self.handled()) < number:
            assert {each.poll() for each in self.running} <= {None, -signal.SIGKILL}
            await anyio.sleep(0.02)

    async def until_published(self, number: int) -> None:
        while int(self.orders.server.ask("XLEN", f"{self.orders.name}:out")) < number:  # noqa: ASYNC110
            await anyio.sleep(0.02)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the workers run on both
async def test_nothing_is_lost_when_workers_are_killed(orders: Group, tmp_path: Path) -> None:
    workers = Workers(orders, tmp_path)
    workers.start("asyncio")
    workers.start("trio")
    await orders.fill(1500)
    try:
        for number, killed in ((300, 0), (700, 1)):
            await workers.until(number)
            workers.running[killed].kill()
            workers.start(("asyncio", "trio")[killed])
        await workers.until(1500)
        await workers.until_published(1500)
        for process in workers.running[2:]:
            process.terminate()
            process.wait()
    finally:
        for process in workers.running:
            process.kill()
            process.wait()
    handled = workers.handled()
    assert set(handled) == {*range(1500)}
    assert sum(handled.values()) - 1500 <= 2 * 16
    out = [int(each["n"]) for each in orders.entries(":out")]
    assert sorted(out) == [*range(1500)]
    assert orders.pending() == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the other process is what is tested
async def test_sigterm_leaves_nothing_behind(orders: Group, tmp_path: Path, backend: str) -> None:
    workers = Workers(orders, tmp_path)
    process = workers.start(backend)
    await orders.fill(500)
    try:
        await workers.until(50)
        process.terminate()
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()
    first = workers.handled()
    rest = Until(500 - len(first))
    await orders().take_until(rest.over).handle(rest)
    assert Counter(rest.got) + first == Counter(range(500))
    assert orders.pending() == 0
