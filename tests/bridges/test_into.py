"""Into anyio's own streams, and out of them."""

from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio.streams.stapled import StapledObjectStream
from anyio.streams.text import TextReceiveStream, TextSendStream

from anystream import (
    CleanupTimeoutError,
    Stream,
    StreamConsumedError,
)
from anystream.testing import MODES, TrackedSource, every_cut
from bridges import FORM, ITEMS, Form


class Target:
    """A send stream that counts."""

    def __init__(
        self, *, fails_at: int | None = None, cleanup: float = 0, error: Exception | None = None
    ) -> None:
        self.sent: list[Any] = []
        self.closing = self.closed = 0
        self.fails_at = fails_at
        self.cleanup = cleanup
        self.error = error

    async def send(self, item: Any) -> None:
        await anyio.sleep(1)
        if len(self.sent) == self.fails_at:
            raise anyio.BrokenResourceError
        self.sent.append(item)

    async def aclose(self) -> None:
        self.closing += 1
        await anyio.sleep(self.cleanup)
        self.closed += 1
        if self.error is not None:
            raise self.error


@FORM
async def test_into_a_memory_object_stream_and_out_of_it(form: Form) -> None:
    send, receive = anyio.create_memory_object_stream[int](2)
    source = TrackedSource(ITEMS)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(form(Stream(source.generator)).into, send)
        assert await Stream(receive).collect() == ITEMS
    assert source.open_runs == 0
    assert receive.statistics().open_send_streams == 0


async def test_into_waits_for_those_who_receive() -> None:
    send, receive = anyio.create_memory_object_stream[int](2)
    source = TrackedSource(ITEMS)
    async with anyio.create_task_group() as tasks, receive:
        tasks.start_soon(Stream(source.iterator).into, send)
        await anyio.sleep(1)
        assert source.steps == 3
        assert await receive.receive() == ITEMS[0]
        await anyio.sleep(1)
        assert source.steps == 4
        tasks.cancel_scope.cancel()


async def test_a_receive_stream_is_closed_by_the_stream_over_it() -> None:
    send, receive = anyio.create_memory_object_stream[int](9)
    for n in range(5):
        send.send_nowait(n)
    with send:
        async with Stream(receive) as items:
            assert await anext(items) == 0
            with anyio.move_on_after(1) as scope:
                for _ in range(5):
                    await anext(items)
            assert scope.cancelled_caught
            send.send_nowait(5)
            assert await anext(items) == 5
        with pytest.raises(anyio.BrokenResourceError):
            await send.send(6)


async def test_through_a_stapled_stream() -> None:
    send, receive = anyio.create_memory_object_stream[int](9)
    both = StapledObjectStream(send, receive)
    await Stream(ITEMS).into(both, close=False)
    await both.send_eof()
    assert await Stream(both).collect() == ITEMS


@pytest.mark.real_time
async def test_through_a_socket() -> None:
    words = ["ah", "be", "ce"] * 3
    got: list[str] = []

    async def serve(connection: Any) -> None:
        await Stream(words).into(TextSendStream(connection))

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        connection = await anyio.connect_tcp("127.0.0.1", port)
        async with Stream(TextReceiveStream(connection)) as texts:
            got = [text async for text in texts]
        with pytest.raises(anyio.ClosedResourceError):
            await connection.receive()
        tasks.cancel_scope.cancel()
    assert "".join(got) == "".join(words)


@pytest.mark.parametrize("close", [True, False])
async def test_into_closes_the_target_unless_told_not_to(close: bool) -> None:
    target = Target()
    await Stream(ITEMS).into(target, close=close)
    assert target.sent == ITEMS
    assert target.closed == close
    with pytest.raises(OSError, match="source"):
        await Stream(TrackedSource(ITEMS, errors={2: OSError("source")}).iterator).into(
            target, close=close
        )
    assert target.sent == ITEMS + ITEMS[:2]
    assert target.closed == 2 * close


@FORM
async def test_into_a_target_that_is_gone(form: Form) -> None:
    source = TrackedSource(ITEMS, cleanup=0.5)
    target = Target(fails_at=3)
    with pytest.raises(anyio.BrokenResourceError):
        await form(Stream(source.generator)).into(target)
    assert target.sent == ITEMS[:3]
    assert source.open_runs == 0
    assert target.closed == 1
    send, receive = anyio.create_memory_object_stream[int](9)
    receive.close()
    with pytest.raises(anyio.BrokenResourceError):
        await form(Stream(source.generator)).into(send)
    with pytest.raises(anyio.ClosedResourceError):
        await form(Stream(source.generator)).into(send)
    assert source.open_runs == 0


async def test_into_closes_the_target_of_a_stream_that_does_not_open() -> None:
    stream = Stream(iter(ITEMS))
    target = Target()
    await stream.drain()
    with pytest.raises(StreamConsumedError):
        await stream.into(target)
    assert target.closed == 1


async def test_into_a_target_that_cannot_be_closed() -> None:
    source = TrackedSource(ITEMS)
    with pytest.raises(OSError, match="close"):
        await Stream(source.generator).into(Target(error=OSError("close")))
    with pytest.RaisesGroup(anyio.BrokenResourceError, OSError):
        await Stream(source.generator).into(Target(fails_at=1, error=OSError("close")))
    start = anyio.current_time()
    with pytest.raises(CleanupTimeoutError):
        await Stream([]).into(Target(cleanup=float("inf")))
    assert anyio.current_time() - start == pytest.approx(1)
    assert source.open_runs == 0


@FORM
@pytest.mark.parametrize("mode", MODES)
async def test_into_cancelled_anywhere(form: Form, mode: Any) -> None:
    for cut in every_cut():
        source = TrackedSource(ITEMS, cleanup=0.5)
        target = Target(cleanup=0.5)
        await cut.run(form(Stream(source.iterator)).into(target), mode)
        assert target.sent == ITEMS[: len(target.sent)]
        assert cut.cancelled or target.sent == ITEMS
        assert source.opened == source.closes_started
        assert target.closing == 1
        if mode == "scope":  # a native cancellation may come in the middle of a cleanup
            assert source.open_runs == 0
            assert target.closed == 1


async def test_bad_arguments_of_into() -> None:
    send, receive = anyio.create_memory_object_stream[int]()
    with send, receive:
        for wrong in (5, receive):
            with pytest.raises(TypeError, match=r"send_stream must have send\(\) and aclose\(\)"):
                await Stream(ITEMS).into(wrong)  # type: ignore[arg-type]
