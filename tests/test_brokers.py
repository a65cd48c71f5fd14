"""The recipes of docs/brokers.md, as they stand there, against real servers."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import anyio
import anyio.to_thread
import pytest
from broker_servers import broker_server, skip_without
from test_blocks import ROOT, Page

from anystream import Retry, Stream, merge
from anystream.testing import MODES, every_cut

nats = pytest.importorskip("nats", reason="no nats-py here (pip install nats-py)")
psycopg = pytest.importorskip("psycopg", reason="no psycopg here (pip install 'psycopg[binary]')")

from nats.js.api import ConsumerConfig  # noqa: E402  # as just said

pytestmark = pytest.mark.real_time

NAMES = count()
PAGE = Page((ROOT / "docs/brokers.md").read_text("utf-8"), "docs/brokers.md")
NEVER = 30.0
"""A lease that is longer than any test takes: what comes again before was given back."""


def recipe(name: str) -> str:
    """The block of the page that defines this function."""
    (code,) = [block.code for block in PAGE.blocks if f"async def {name}(" in block.code]
    return code


def run_recipe(name: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(recipe(name), "docs/brokers.md", "exec"), names)
    return names


class OfNats:
    """A stream of the server, and a consumer that the workers share."""

    server_name = "nats"
    names = run_recipe("jetstream")
    error = nats.errors.Error
    function = "jetstream"
    number_of = "int(message.data)"

    def __init__(self, server: Any) -> None:
        self.server = server
        self.name = f"orders{next(NAMES)}"

    def messages(self, **options: Any) -> Stream[Any]:
        return self.names["jetstream"](self.server.url, self.name, "w", **options)

    def call(self) -> str:
        return f"jetstream({self.server.url!r}, {self.name!r}, 'w')"

    @staticmethod
    def number(message: Any) -> int:
        return int(message.data)

    async def fill(self, number: int, lease: float = NEVER) -> None:
        await anyio.to_thread.run_sync(asyncio.run, self._fill(number, lease))

    async def _fill(self, number: int, lease: float) -> None:
        client = await nats.connect(self.server.url)
        jetstream = client.jetstream()
        await jetstream.add_stream(name=self.name, subjects=[self.name], retention="workqueue")
        config = ConsumerConfig(durable_name="w", ack_policy="explicit", ack_wait=lease)
        await jetstream.add_consumer(self.name, config)
        for n in range(number):
            await jetstream.publish(self.name, b"%d" % n)
        await client.close()

    def look(self) -> Any:
        told = self.server.ask("jsz?accounts=1&streams=1&consumers=1")
        streams = [each for one in told["account_details"] for each in one["stream_detail"]]
        (found,) = [each for each in streams if each["name"] == self.name]
        return found

    def left(self) -> int:
        """How many are not acknowledged."""
        return self.look()["state"]["messages"]

    def taken(self) -> int:
        """How many of these are with a worker."""
        return self.look()["consumer_detail"][0]["num_ack_pending"]

    def connections(self) -> int:
        return self.server.ask("connz")["num_connections"]


class OfPostgres:
    """The table of jobs."""

    server_name = "postgres"
    names = run_recipe("jobs")
    error = psycopg.OperationalError
    function = "jobs"
    number_of = "message.payload"

    def __init__(self, server: Any) -> None:
        self.server = server
        self.lease = NEVER
        self.server.ask("drop table if exists jobs, invoices")
        self.server.ask(self.names["TABLE"])

    def messages(self, **options: Any) -> Stream[Any]:
        return self.names["jobs"](self.server.url, lease=self.lease, **options)

    def call(self) -> str:
        return f"jobs({self.server.url!r}, lease={self.lease!r})"

    @staticmethod
    def number(job: Any) -> int:
        return int(job.payload)

    async def fill(self, number: int, lease: float = NEVER) -> None:
        self.lease = lease
        self.server.ask(
            f"insert into jobs (payload) select to_jsonb(n) from generate_series(0, {number - 1}) n"
        )

    def left(self) -> int:
        return int(self.server.ask("select count(*) from jobs"))

    def taken(self) -> int:
        return int(self.server.ask("select count(*) from jobs where ready_at > now()"))

    def connections(self) -> int:
        ours = "backend_type = 'client backend' and pid <> pg_backend_pid()"
        return int(self.server.ask(f"select count(*) from pg_stat_activity where {ours}"))


Broker = OfNats | OfPostgres
KINDS = [pytest.param(kind, id=kind.server_name) for kind in (OfNats, OfPostgres)]


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest) -> Iterator[Callable[[], Broker]]:
    skip_without(request.param.server_name)
    with broker_server(request.param.server_name) as server:
        yield partial(request.param, server)


@pytest.fixture
def broker(shared: Callable[[], Broker]) -> Broker:
    return shared()


@pytest.fixture(params=KINDS)
def own(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """With a server that the test may stop."""
    skip_without(request.param.server_name)
    with broker_server(request.param.server_name) as server:
        yield request.param(server)


async def closed(broker: Broker) -> None:
    """Until the server has seen that nobody is connected any more."""
    with anyio.fail_after(5):
        while broker.connections():  # noqa: ASYNC110  # the server has to hear of it
            await anyio.sleep(0.01)


async def read_rest(broker: Broker) -> list[int]:
    """All that are not acknowledged, which have to be there at once."""
    found: list[int] = []

    async def handle(message: Any) -> None:
        found.append(broker.number(message))
        await message.ack()

    with anyio.fail_after(10):
        await broker.messages().take(broker.left()).for_each(handle)
    assert broker.left() == 0
    return found


class Handled(Counter[int]):
    """What a function for messages has seen; it ends `over` when it has seen them all."""

    def __init__(self, broker: Broker, number: int) -> None:
        super().__init__()
        self.broker = broker
        self.expected = {*range(number)}
        self.over = anyio.Event()

    async def __call__(self, message: Any) -> None:
        self[self.broker.number(message)] += 1
        await message.ack()
        if {*self} == self.expected:
            self.over.set()


# -- reading ------------------------------------------------------------------------------------


async def test_messages_come_in_order_and_are_acknowledged(broker: Broker) -> None:
    await broker.fill(50)
    got: list[int] = []
    async with broker.messages(prefetch=7).buffer(4).take(50) as messages:
        async for message in messages:
            assert message.attempt == 1
            assert broker.left() == 50 - len(got)  # the buffer acknowledges nothing
            await message.ack()
            got.append(broker.number(message))
            assert broker.left() == 50 - len(got)
    assert got == [*range(50)]
    await closed(broker)


async def test_no_more_than_prefetch_wait(broker: Broker) -> None:
    await broker.fill(40)
    most = 0
    async with broker.messages(prefetch=5).take(40) as messages:
        async for message in messages:
            most = max(most, broker.taken())
            await message.ack()
    assert 5 <= most <= 6  # and the one in hand


async def test_messages_come_while_it_waits(broker: Broker) -> None:
    await broker.fill(0)
    async with broker.messages() as messages:
        with anyio.move_on_after(0.7):  # so a step that is cancelled loses nothing
            await anext(messages)
        await broker.fill(2)
        for n in range(2):
            message = await anext(messages)
            assert broker.number(message) == n
            await message.ack()
    assert broker.left() == 0


async def test_workers_share(broker: Broker) -> None:
    await broker.fill(60)
    handled = Handled(broker, 60)
    both = anyio.Event()
    busy: set[int] = set()

    async def handle(worker: int, message: Any) -> None:
        busy.add(worker)
        if len(busy) == 2:
            both.set()
        await both.wait()
        await handled(message)

    workers = [broker.messages(prefetch=5).map(partial(handle, worker)) for worker in range(2)]
    with anyio.fail_after(20):
        await merge(*workers).take_until(handled.over).drain()
    assert handled == Counter(range(60))
    assert broker.left() == 0


# -- leaving ------------------------------------------------------------------------------------


async def test_what_is_not_acknowledged_is_given_back(broker: Broker) -> None:
    await broker.fill(20)
    async with broker.messages() as messages:
        async for message in messages:
            if broker.number(message) == 5:
                break
            if broker.number(message) != 3:
                await message.ack()
    await closed(broker)
    assert sorted(await read_rest(broker)) == [3, *range(5, 20)]


async def test_an_error_gives_the_message_back(broker: Broker) -> None:
    await broker.fill(20)

    async def fail(message: Any) -> None:
        if broker.number(message) == 2:
            raise ValueError("two")
        await message.ack()

    with pytest.raises(ValueError, match="two"):
        await broker.messages().for_each(fail)
    await closed(broker)
    again: dict[int, int] = {}
    async with broker.messages().take(18) as messages:
        async for message in messages:
            again[broker.number(message)] = message.attempt
    assert sorted(again) == [*range(2, 20)]
    assert again[2] == 2


async def test_a_cancellation_gives_back_what_is_under_way(broker: Broker) -> None:
    await broker.fill(20)
    started = anyio.Event()
    reached: list[int] = []

    async def handle(message: Any) -> None:
        reached.append(broker.number(message))
        if len(reached) == 4:
            started.set()
        await anyio.sleep_forever()

    await broker.messages().map(handle, concurrency=4).take_until(started).drain()
    await closed(broker)
    assert sorted(reached) == [*range(4)]
    assert sorted(await read_rest(broker)) == [*range(20)]


async def test_a_shield_lets_the_work_come_to_its_end(broker: Broker) -> None:
    await broker.fill(20)
    started = anyio.Event()
    done: list[int] = []

    async def handle(message: Any) -> None:
        if broker.number(message) == 3:
            started.set()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.2)
            await message.ack()
            done.append(broker.number(message))

    await broker.messages().map(handle, concurrency=4).take_until(started).drain()
    await closed(broker)
    assert sorted(done) == [*range(4)]
    assert sorted(await read_rest(broker)) == [*range(4, 20)]


async def test_nothing_is_acknowledged_when_the_stream_is_closed(broker: Broker) -> None:
    await broker.fill(20)
    started = anyio.Event()

    async def handle(message: Any) -> None:
        started.set()
        await closed(broker)
        await message.ack()

    with pytest.raises(broker.error, match="closed"):
        await broker.messages().take_until(started).for_each(handle, concurrency=2)
    assert sorted(await read_rest(broker)) == [*range(20)]


@pytest.mark.parametrize("mode", MODES)
async def test_cancelled_anywhere_nothing_is_lost(broker: Broker, mode: Any) -> None:
    for cut in every_cut():
        broker = type(broker)(broker.server)
        await broker.fill(6)
        acked: list[int] = []

        async def read(acked: list[int] = acked, broker: Broker = broker) -> None:
            async with broker.messages(prefetch=3).take(5) as messages:
                async for message in messages:
                    await message.ack()
                    acked.append(broker.number(message))

        await cut.run(read(), mode)
        await closed(broker)
        # The call that acknowledges is waited for, and then the cancellation comes.
        left = broker.left()
        assert left in (6 - len(acked), 5 - len(acked))
        assert sorted(await read_rest(broker)) == [*range(6 - left, 6)]


async def test_a_message_is_given_back_for_later(broker: Broker) -> None:
    await broker.fill(2, lease=3)
    got: list[int] = []
    async with broker.messages().take(3) as messages:
        async for message in messages:
            got.append(broker.number(message))
            if len(got) == 1:
                await message.release(after=0.2)
            else:
                await message.ack()
    assert got == [0, 1, 0]
    # A server of NATS that is busy counts a delivery, and makes it only after the lease.
    assert message.attempt >= 2
    assert broker.left() == 0


async def test_what_comes_last_is_given_back(broker: Broker) -> None:
    await broker.fill(0)
    for _ in range(3):
        async with broker.messages() as messages:
            with anyio.move_on_after(0.7):
                await anext(messages)
            await broker.fill(1)
            await (await anext(messages)).ack()
            await broker.fill(1)
            await anyio.sleep(0.1)
        assert await read_rest(broker) == [0]


# -- leases -------------------------------------------------------------------------------------


async def test_work_that_takes_longer_than_the_lease_is_done_once(broker: Broker) -> None:
    await broker.fill(6, lease=1.5)
    handled = Handled(broker, 6)

    async def handle(message: Any) -> None:
        await anyio.sleep(2)
        await handled(message)

    # Each has one that waits for more than the lease, too.
    workers = [broker.messages(prefetch=3).map(handle, concurrency=2) for _ in range(2)]
    with anyio.fail_after(30):
        await merge(*workers).take_until(handled.over).drain()
    assert handled == Counter(range(6))


WORKER = """
async def main():
    async with {call} as messages:
        async for message in messages:
            print({number}, flush=True)
            if {number} == 3:
                await anyio.sleep_forever()
            await message.ack()


import anyio

anyio.run(main, backend={backend!r})
"""


def start(program: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_nothing_is_lost_when_a_worker_is_killed(
    broker: Broker, anyio_backend_name: str
) -> None:
    await broker.fill(10, lease=1)
    worker = WORKER.format(call=broker.call(), number=broker.number_of, backend=anyio_backend_name)
    with start(recipe(broker.function) + worker) as process:
        assert process.stdout is not None
        assert [next(process.stdout).strip() for _ in range(4)] == ["0", "1", "2", "3"]
        process.kill()
    assert broker.left() == broker.taken() == 7
    assert sorted(await read_rest(broker)) == [*range(3, 10)]


@pytest.mark.parametrize("shared", KINDS[:1], indirect=True)
async def test_what_is_given_back_is_not_said_to_be_acknowledged(
    broker: OfNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = broker.names["Consumer"]
    close, over = consumer.close, threading.Event()

    async def slowly(self: Any) -> None:
        await close(self)
        await asyncio.to_thread(over.wait)

    monkeypatch.setattr(consumer, "close", slowly)
    await broker.fill(1)
    started = anyio.Event()

    async def handle(message: Any) -> None:
        started.set()
        await closed(broker)
        try:
            await message.ack()
        finally:
            over.set()

    with pytest.raises(broker.error, match="closed"):
        await broker.messages().take_until(started).for_each(handle)
    assert broker.left() == 1


OF_POSTGRES = pytest.mark.parametrize("shared", KINDS[1:], indirect=True)


@OF_POSTGRES
async def test_a_late_result_is_refused(broker: OfPostgres) -> None:
    await broker.fill(1)
    broker.server.ask("create table invoices (job int, worker text)")

    def write(worker: str, connection: Any) -> None:
        connection.execute("insert into invoices values (1, %s)", [worker])

    async with broker.messages() as late, broker.messages() as messages:
        job = await anext(late)
        broker.server.ask("update jobs set ready_at = now()")  # as if the lease were over
        again = await anext(messages)
        assert (job.attempt, again.attempt) == (1, 2)
        await again.ack(partial(write, "in time"))
        await job.ack(partial(write, "late"))
    assert broker.server.ask("select worker from invoices") == "in time"


@OF_POSTGRES
async def test_what_another_worker_has_is_not_given_back(broker: OfPostgres) -> None:
    await broker.fill(2)
    async with broker.messages() as late, broker.messages() as messages:
        first = await anext(late)
        broker.server.ask("update jobs set ready_at = now()")  # as if the lease were over
        await anext(messages)
        await first.release()
        await late.aclose()
        assert broker.taken() == 2


@OF_POSTGRES
async def test_a_result_that_cannot_be_written_acknowledges_nothing(broker: OfPostgres) -> None:
    await broker.fill(1)
    async with broker.messages() as messages:
        job = await anext(messages)
        with pytest.raises(psycopg.errors.UndefinedTable):
            await job.ack(lambda connection: connection.execute("insert into invoices values (1)"))
        assert broker.left() == 1
    assert await read_rest(broker) == [0]


# -- servers that go ----------------------------------------------------------------------------


TOLD_TWICE = pytest.mark.leaks_expected("logged")
"""nats-py logs what it raises, too."""


@TOLD_TWICE
@pytest.mark.parametrize("how", ["while it waits", "at the work"])
async def test_a_server_that_is_killed_is_an_error(own: Broker, how: str) -> None:
    await own.fill(5)
    stream = own.messages()
    with anyio.fail_after(10), pytest.raises(own.error):
        async with stream as messages:
            async for message in messages:
                if how == "at the work" and own.number(message) == 2:
                    own.server.stop(own.server.at_once)
                await message.ack()
                if own.number(message) == 4:
                    await anyio.sleep(0.1)
                    own.server.stop(own.server.at_once)
    assert own.number(message) == (2 if how == "at the work" else 4)
    with anyio.fail_after(10), pytest.raises(own.error):
        await stream.first()


@TOLD_TWICE
async def test_it_goes_on_when_the_server_comes_again(own: Broker) -> None:
    await own.fill(30, lease=1)
    handled = Counter[int]()
    restarted = anyio.Event()

    async def handle(message: Any) -> None:
        handled[own.number(message)] += 1
        if own.number(message) == 8 and not restarted.is_set():
            await anyio.to_thread.run_sync(restart)
            restarted.set()
        await message.ack()

    def restart() -> None:
        own.server.stop()
        own.server.start()

    async def nothing_is_left() -> None:
        await restarted.wait()
        while own.left():  # noqa: ASYNC110  # as the server tells
            await anyio.sleep(0.05)

    always = Retry(None, on=own.error, first=0.05, cap=0.2)
    work = own.messages(prefetch=5).map(handle, concurrency=4).retry(always)
    with anyio.fail_after(30):
        await work.take_until(nothing_is_left()).drain()
    assert {*handled} == {*range(30)}


OF_NATS = pytest.mark.parametrize("own", KINDS[:1], indirect=True)


@TOLD_TWICE
@OF_NATS
async def test_a_silent_server_is_an_error(own: OfNats) -> None:
    await own.fill(1)
    with anyio.fail_after(10), pytest.raises(own.error):
        async with own.messages(ping_interval=0.2) as messages:
            await (await anext(messages)).ack()
            own.server.process.send_signal(signal.SIGSTOP)
            await anext(messages)


@OF_NATS
async def test_a_stream_that_is_not_there_is_an_error(own: OfNats) -> None:
    with pytest.raises(nats.js.errors.NotFoundError):
        await own.messages().first()
    await closed(own)


SPACE = ["unshare", "--net"]
"""Runs a program with a network of its own."""

CUT_OFF = """
import socket
import subprocess
import threading


def turn(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def pass_on(source, target):
    while data := source.recv(65536):
        target.sendall(data)


def relay(listener):
    while True:
        here, there = listener.accept()[0], socket.socket(socket.AF_UNIX)
        there.connect({path!r})
        for pair in ((here, there), (there, here)):
            threading.Thread(target=pass_on, args=pair, daemon=True).start()


turn("up")
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=relay, args=(listener,), daemon=True).start()
dsn = f"postgresql://postgres@127.0.0.1:{{listener.getsockname()[1]}}/postgres"


async def main():
    try:
        async with jobs(dsn, lease=1) as found:
            async for job in found:
                await job.ack()
                turn("down")
    except psycopg.OperationalError as error:
        print("lost")


anyio.run(main, backend={backend!r})
"""


def skip_without_a_network_of_its_own() -> None:
    try:
        subprocess.run([*SPACE, "ip", "link"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no network of its own for a program here (needs root, and unshare)")


@OF_POSTGRES
async def test_a_network_that_is_lost_is_an_error(
    broker: OfPostgres, anyio_backend_name: str
) -> None:
    skip_without_a_network_of_its_own()
    await broker.fill(1)
    path = str(broker.server.folder / ".s.PGSQL.5432")
    code = recipe("jobs") + CUT_OFF.format(path=path, backend=anyio_backend_name)
    program = partial(subprocess.run, capture_output=True, text=True, timeout=30)
    done = await anyio.to_thread.run_sync(program, [*SPACE, sys.executable, "-c", code])
    assert (done.stdout, done.stderr) == ("lost\n", "")
