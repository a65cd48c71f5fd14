"""Lines out of bytes, whole and in pieces, from everything that gives bytes."""

import doctest
import gzip
import io
import os
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import Any
from unittest import mock

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insides import opening_of, turns_of
from records import Case, is_true
from splits import Wire, in_chunks, one_by_one

from anystream import (
    CleanupTimeoutError,
    Run,
    Stream,
    StreamConsumedError,
    StreamInterruptedError,
    net,
)
from anystream._operators.transform import FlattenLists
from anystream._records.chunks import File, as_chunks
from anystream.net import ProcessExitError, RecordDataError, RecordSizeError
from anystream.testing import cancel_everywhere, every_cut

LINES = {
    "nothing": Case(b"", []),
    "one": Case(b"a\n", ["a"]),
    "several": Case(b"a\nb\nc\n", ["a", "b", "c"]),
    "the last one has no end": Case(b"a\nb", ["a", "b"]),
    "empty ones": Case(b"\n\na\n\n", ["", "", "a", ""]),
    "carriage returns": Case(b"a\r\nb\n\r\n", ["a", "b", ""]),
    "of two carriage returns one goes": Case(b"a\r\r\n", ["a\r"]),
    "a carriage return alone": Case(b"a\rb\nc\r", ["a\rb", "c\r"]),
    "a carriage return at the end of all": Case(b"\r", ["\r"]),
    "what others split at": Case(
        "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\n".encode(),
        ["a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"],
    ),
    "a byte order mark is text": Case(b"\xef\xbb\xbfa\n", ["\ufeffa"]),
    "long characters": Case("é\n€𝄞\n".encode(), ["é", "€𝄞"]),
    "a bad byte": Case(b"a\nb\xffc\nd\n", ["a"], "line 2: invalid UTF-8 at byte 2"),
    "a character that is cut": Case(b"a\n\xe2\x82\nb\n", ["a"], "line 2: invalid UTF-8 at byte 1"),
    "a character that is cut at the end": Case(
        b"a\n\xe2\x82", ["a"], "line 2: invalid UTF-8 at byte 1"
    ),
    "a surrogate": Case(b"\xed\xa0\x80\n", [], "line 1: invalid UTF-8 at byte 1"),
}


@pytest.mark.parametrize("name", LINES)
async def test_lines(name: str) -> None:
    await is_true(LINES[name], net.lines)


LIMITED = {
    "just as long": Case(b"abc\nabc\r\nabc", ["abc", "abc", "abc"]),
    "too long": Case(b"abc\nabcd\nab\n", ["abc"], "line 2: longer than 3 bytes"),
    "too long at the end": Case(b"abc\nabcd", ["abc"], "line 2: longer than 3 bytes"),
    "too long with a carriage return": Case(b"a\nabcd\r\n", ["a"], "line 2: longer than 3 bytes"),
    "a carriage return too much": Case(b"abc\r\r\n", [], "line 1: longer than 3 bytes"),
    "a carriage return that is no end": Case(b"a\nabc\r", ["a"], "line 2: longer than 3 bytes"),
    "in bytes": Case("éé\n".encode(), [], "line 1: longer than 3 bytes"),
    "a bad byte before it": Case(b"a\n\xff\nabcd\n", ["a"], "line 2: invalid UTF-8 at byte 1"),
    "empty lines": Case(b"\n\r\n\nabcd\n", ["", "", ""], "line 4: longer than 3 bytes"),
}


@pytest.mark.parametrize("name", LIMITED)
async def test_the_length_of_a_line_is_limited(name: str) -> None:
    await is_true(LIMITED[name], lambda chunks: net.lines(chunks, max_line=3))


async def test_errors_have_a_number_and_a_position() -> None:
    with pytest.raises(RecordDataError) as bad:
        await net.lines([b"a\n", b"b\xff"]).drain()
    assert (bad.value.number, bad.value.position) == (2, 2)
    with pytest.raises(RecordSizeError) as long:
        await net.lines([b"a\n", b"bc"], max_line=1).drain()
    assert long.value.number == 2


def reference(data: bytes) -> list[str]:
    lines = data.split(b"\n")
    last = lines.pop()
    return [line.removesuffix(b"\r").decode() for line in lines] + [last.decode()] * bool(last)


pieces = st.sampled_from([b"\n", b"\r", b"\r\n", b"a", "€".encode(), "\u2028".encode(), b"\x1e"])
texts = st.lists(pieces, max_size=20).map(b"".join)


@given(texts.flatmap(in_chunks))
@settings(max_examples=50)
async def test_lines_in_any_chunks(chunks: list[bytes]) -> None:
    assert await net.lines(chunks).collect() == reference(b"".join(chunks))


@pytest.mark.parametrize(("read", "data"), [(net.lines, b"\n"), (net.json_seq, b"\x1e[]\n")])
async def test_a_long_chunk_is_read_in_parts(
    read: Any, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that neither the event loop nor memory has to bear all of it at once."""
    sizes: list[int] = []

    def enter(self: Any, item: list[Any]) -> None:
        sizes.append(len(item))
        enter_list(self, item)

    enter_list = FlattenLists.enter
    monkeypatch.setattr(FlattenLists, "enter", enter)
    assert await read([data * 300_000, data]).count() == 300_001
    assert max(sizes) <= 65_536


async def test_a_long_chunk_of_nothing_gives_others_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anystream._core.batches.QUANTUM", 0)

    async def read() -> None:
        assert await net.ndjson([b"\n" * 60_000]).count() == 0

    assert await turns_of(read) > 100


async def test_what_has_not_ended_is_bounded() -> None:
    given = 0

    def endless() -> Any:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 1000

    with pytest.raises(RecordSizeError):
        await net.lines(endless(), max_line=10_000).drain()
    assert given == 11


# -- where the bytes come from ------------------------------------------------------------------


async def test_buffers_of_other_kinds() -> None:
    chunks = [bytearray(b"a\nb"), memoryview(b"\nc")]
    assert await net.lines(chunks).collect() == ["a", "b", "c"]  # type: ignore[arg-type]


@pytest.mark.parametrize("chunk", ["a\n", 5])
async def test_what_is_no_bytes_is_refused(chunk: Any) -> None:
    with pytest.raises(TypeError, match="source must yield bytes") as raised:
        await net.lines([b"a", chunk]).drain()
    assert ("open a file in binary mode" in str(raised.value)) == isinstance(chunk, str)


@pytest.mark.parametrize("source", [b"a", bytearray(b"a"), memoryview(b"a")])
def test_bytes_alone_are_refused(source: Any) -> None:
    with pytest.raises(TypeError, match=r"data in a list, e\.g\. lines\(\[data\]\): got "):
        net.lines(source)


@pytest.mark.parametrize("source", [None, 5])
def test_what_gives_nothing_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match="source must be"):
        net.lines(source)


@pytest.mark.parametrize(
    ("call", "option"),
    [(net.lines, "max_line"), (net.ndjson, "max_line"), (net.json_seq, "max_text")],
)
def test_limits_are_checked(call: Any, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be at least 1, got 0"):
        call([], **{option: 0})
    assert repr(call([], **{option: 5})) == f"{call.__name__}([], {option}=5)"
    assert repr(call([])) == f"{call.__name__}([])"


async def test_a_byte_stream_is_closed_with_the_stream() -> None:
    wire = Wire([b"a\nb", b"c\nd\n"], pause=1)
    stream = net.lines(wire)
    async with stream as lines:
        assert await anext(lines) == "a"
        assert not wire.closed
    assert wire.closed == 1
    with pytest.raises(StreamConsumedError):
        await stream.drain()


async def test_a_byte_stream_that_is_not_read_is_closed_as_well() -> None:
    wire = Wire([])
    async with net.lines(wire):
        pass
    assert wire.closed == 1


async def test_the_bare_form_reads_to_the_end_and_closes() -> None:
    wire = Wire([b"a\nb", b"c\nd"])
    assert [line async for line in net.lines(wire)] == ["a", "bc", "d"]
    assert wire.closed == 1


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_is_called_for_each_opening(is_async: bool) -> None:
    made: list[Wire] = []

    def make() -> Wire:
        made.append(Wire([b"a\nb"]))
        return made[-1]

    async def make_later() -> Wire:
        await anyio.sleep(1)
        return make()

    stream = net.lines(make_later if is_async else make)
    assert not made
    assert await stream.collect() == ["a", "b"]
    assert await stream.collect() == ["a", "b"]
    assert [wire.closed for wire in made] == [1, 1]


async def test_a_function_that_makes_nothing_of_the_kind() -> None:
    with pytest.raises(TypeError, match="source must yield bytes"):
        await net.lines(lambda: b"a").drain()  # type: ignore[arg-type, return-value]


class Plain:
    """Chunks that a function makes, with no more than a plain `close`."""

    def __init__(self) -> None:
        self.chunks = iter([b"1\n2\n", b"x\n"])
        self.closed = 0

    def __iter__(self) -> "Plain":
        return self

    def __next__(self) -> bytes:
        return next(self.chunks)

    def close(self) -> Any:
        self.closed += 1


class Async(Plain):
    def __aiter__(self) -> "Async":
        return self

    async def __anext__(self) -> bytes:
        for chunk in self.chunks:
            return chunk
        raise StopAsyncIteration

    async def close(self) -> None:
        await anyio.sleep(0.1)
        self.closed += 1


class Block(Async):
    """A context manager that gives itself."""

    close: Any = None

    async def __aenter__(self) -> "Block":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed += 1


@pytest.mark.parametrize("kind", [Plain, Async, Block])
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_a_function_makes_is_closed_by_all_that_it_has(
    kind: Any, is_async: bool
) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(kind())
        return made[-1]

    async def make_later() -> Any:
        return make()

    source = make_later if is_async else make
    assert await net.lines(source).collect() == ["1", "2", "x"]
    async with net.lines(source) as lines:
        async for _ in lines:
            break
    with pytest.raises(RecordDataError):
        await net.ndjson(source).drain()
    with pytest.raises(RecordSizeError):
        await net.json_seq(source, max_text=3).drain()
    assert [each.closed for each in made] == [1] * 4


async def test_a_plain_file_that_a_function_opens_is_closed(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"a\nb\n"))
    files: list[Any] = []

    def unpacked() -> gzip.GzipFile:
        files.append(gzip.GzipFile(tmp_path / "log.gz"))
        return files[-1]

    async with net.lines(unpacked) as lines:
        assert await anext(lines) == "a"
    assert files[0].closed


async def test_a_timed_out_step_loses_nothing() -> None:
    data = b"a\nb\xe2\x82\xacc\n\nde\n"
    async with net.lines(Wire(one_by_one(data), pause=1)) as lines:
        got: list[str] = []
        while len(got) < 4:
            with anyio.move_on_after(0.7):
                async for line in lines:
                    got.append(line)
            with anyio.move_on_after(1.7):
                async for line in lines:
                    got.append(line)
    assert got == ["a", "b€c", "", "de"]


async def test_a_cancelled_step_may_be_repeated() -> None:
    for cut_here in every_cut():
        got: list[str] = []
        async with net.lines(Wire([b"a\nb", b"c\nd\ne", b"f"], pause=1)) as lines:
            await cut_here.collect(lines, got)
        assert got == ["a", "bc", "d", "ef"]


async def test_a_cancelled_async_generator_is_loud() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"a\nb"
        await anyio.sleep(10)
        yield b"c\n"

    async with net.lines(chunks) as lines:
        assert await anext(lines) == "a"
        with anyio.move_on_after(1):
            await anext(lines)
        with pytest.raises(StreamInterruptedError):
            await anext(lines)


async def read_a_wire() -> None:
    wire = Wire([b"a\nb", b"c\nd"], pause=1)
    got: list[str] = []
    try:
        async with net.lines(wire) as lines:
            async for line in lines:
                got.append(line)
        assert got == ["a", "bc", "d"]
    finally:
        assert got == ["a", "bc", "d"][: len(got)]
        assert wire.closed


def test_lines_can_be_cancelled_everywhere() -> None:
    assert cancel_everywhere(read_a_wire) > 5


# -- files --------------------------------------------------------------------------------------

TEXT = b"".join(b"line %d\n" % number for number in range(20_000))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "text"
    path.write_bytes(TEXT)
    return path


@pytest.mark.parametrize("kind", [str, Path])
async def test_the_path_of_a_file(path: Path, kind: Any) -> None:
    stream = net.lines(kind(path))
    assert await stream.collect() == TEXT.decode().splitlines()
    assert await stream.count() == 20_000


async def test_a_path_that_is_a_number_as_well_is_a_path(path: Path) -> None:
    reads, writes = os.pipe()
    mocked = mock.MagicMock()  # `open` takes the number of one
    mocked.__index__.return_value = reads
    mocked.__fspath__.return_value = str(path)
    assert await net.lines(mocked).collect() == await net.lines(path).collect()
    for end in (reads, writes):
        os.close(end)  # which nobody else has done


async def test_a_file(path: Path) -> None:
    file = await anyio.open_file(path, "rb")
    assert await net.lines(file).count() == 20_000
    assert file.wrapped.closed
    unbuffered = await anyio.open_file(path, "rb", buffering=0)
    assert await net.lines(unbuffered).count() == 20_000
    assert await net.lines(lambda: anyio.open_file(path, "rb")).count() == 20_000


async def test_a_file_that_is_left_early_is_closed(path: Path) -> None:
    file = await anyio.open_file(path, "rb")
    async with net.lines(file) as lines:
        assert await anext(lines) == "line 0"
        assert not file.wrapped.closed
    assert file.wrapped.closed


async def test_a_file_that_is_not_read_is_closed(path: Path) -> None:
    file = await anyio.open_file(path, "rb")
    async with net.lines(file):
        pass
    assert file.wrapped.closed
    async with net.lines(path):
        pass


async def test_a_file_in_text_mode_is_refused(path: Path) -> None:
    with pytest.raises(TypeError, match="open a file in binary mode"):
        await net.lines(await anyio.open_file(path)).drain()  # type: ignore[arg-type]


async def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await net.lines(tmp_path / "none").drain()


class SlowFile(io.BytesIO):
    """A file of the kernel's no more than this is; a read takes until it is let go."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.go_on = threading.Event()

    def read1(self, size: int | None = -1, /) -> bytes:
        self.go_on.wait(5)
        return super().read1(3)


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_read_that_is_left_alone_loses_nothing() -> None:
    """Trio never leaves a thread alone; asyncio's own cancellation does."""
    import asyncio

    file = SlowFile(b"a\nbc\nd\ne")
    got: list[str] = []
    async with net.lines(anyio.wrap_file(file)) as lines:

        async def step() -> None:
            got.append(await anext(lines))

        task = asyncio.create_task(step())
        await anyio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        file.go_on.set()
        async for line in lines:
            got.append(line)
    assert got == ["a", "bc", "d", "e"]


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_file_is_closed_behind_a_read_that_was_left_alone() -> None:
    import asyncio

    file = SlowFile(b"a\nbc\nd\ne")
    async with net.lines(anyio.wrap_file(file)) as lines:
        task = asyncio.create_task(anext(lines))  # type: ignore[arg-type]
        await anyio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        threading.Timer(0.05, file.go_on.set).start()
    assert file.closed


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_file_is_closed_whose_opening_was_left_alone(tmp_path: Path) -> None:
    import asyncio

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    begun = threading.Event()

    def open_when_written() -> Any:
        begun.set()
        return fifo.open("rb")

    file = File(open_when_written)
    task = asyncio.create_task(file.batch())
    await anyio.to_thread.run_sync(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    writer = threading.Timer(0.05, lambda: fifo.open("wb").close())
    writer.start()
    owner = opening_of(Run[Any](Stream([])))
    await file.close(owner)
    owner.raise_collected(None)
    writer.join()
    assert file.file is None
    assert not file.ready.locked()


def test_a_thread_that_comes_late_does_nothing() -> None:
    file = File(lambda: io.BytesIO(b"a"))
    file.over = True
    file.read()
    assert not file.chunks
    assert file.file is None
    file.shut()


class NotYet(io.BytesIO):
    """A file that does not block: it has nothing every other time."""

    turn = 0

    def read1(self, size: int | None = -1, /) -> bytes:
        self.turn += 1
        return super().read1(3) if self.turn % 2 else None  # type: ignore[return-value]


async def test_a_file_that_has_nothing_yet() -> None:
    assert await net.lines(anyio.wrap_file(NotYet(b"a\nbc\nd"))).collect() == ["a", "bc", "d"]


@pytest.mark.real_time
async def test_a_pipe_is_not_waited_for_in_a_thread() -> None:
    receiving, sending = os.pipe()
    async with net.lines(anyio.wrap_file(os.fdopen(receiving, "rb"))) as lines:
        os.write(sending, b"a\nb")
        assert await anext(lines) == "a"
        with anyio.move_on_after(0.02):
            await anext(lines)
        os.write(sending, b"c\n")
        assert await anext(lines) == "bc"
        with anyio.move_on_after(0.02) as scope:  # nothing would end a read() here
            await anext(lines)
        assert scope.cancelled_caught
    os.close(sending)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("the system has no FIFOs")
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def writer(fifo: Path) -> int:
    """The writing end of a FIFO, which has a reader."""
    return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


@pytest.mark.real_time
async def test_a_fifo_is_not_waited_for_in_a_thread(fifo: Path) -> None:
    async with net.lines(fifo) as lines:
        for _ in range(2):
            with anyio.move_on_after(0.02) as scope:  # it has no writer
                await anext(lines)
            assert scope.cancelled_caught
        sending = writer(fifo)
        with anyio.move_on_after(0.02) as scope:  # it has one that writes nothing
            await anext(lines)
        assert scope.cancelled_caught
        os.write(sending, b"a\nb")
        assert await anext(lines) == "a"
        os.close(sending)
        assert [line async for line in lines] == ["b"]


@pytest.mark.real_time
async def test_a_fifo_ends_with_a_writer_that_writes_nothing(fifo: Path) -> None:
    async with net.lines(fifo) as lines:
        with anyio.move_on_after(0.02):
            await anext(lines)
        os.close(writer(fifo))
        assert [line async for line in lines] == []


async def test_a_fifo_that_another_reader_has_emptied(fifo: Path) -> None:
    """Between the news that it has bytes and the read another process may have taken them."""
    file = as_chunks(fifo, opening_of(Run[Any](Stream([]))))
    assert isinstance(file, File)
    file.read()  # opens it
    sending = writer(fifo)
    file.read()
    assert not file.over
    os.write(sending, b"a")
    os.close(sending)
    file.read()
    assert [*file.chunks] == [b"a"]
    assert not file.over
    file.read()
    assert file.over
    file.shut()


@pytest.mark.real_time
async def test_a_terminal_that_is_a_path_is_not_waited_for_in_a_thread() -> None:
    pty = pytest.importorskip("pty")
    controlling, terminal = pty.openpty()
    async with net.lines(os.ttyname(terminal)) as lines:
        with anyio.move_on_after(0.02) as scope:
            await anext(lines)
        assert scope.cancelled_caught
        os.write(controlling, b"a\n")
        assert await anext(lines) == "a"
    os.close(controlling)
    os.close(terminal)


async def test_a_file_is_read_where_the_loop_cannot_wait_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("anystream._records.chunks.POSIX", False)
        assert await net.lines(path).count() == 20_000


# -- processes and sockets ----------------------------------------------------------------------


async def python(code: str, **options: Any) -> Any:
    return await anyio.open_process(
        [sys.executable, "-S", "-c", code], stdin=DEVNULL, stderr=DEVNULL, **options
    )


@pytest.mark.real_time
async def test_the_output_of_a_process() -> None:
    stream = net.lines(lambda: python("print('one\\ntwo')"))
    assert await stream.collect() == ["one", "two"]
    process = await python("print('one')")
    assert await net.lines(process).collect() == ["one"]
    assert process.returncode == 0


@pytest.mark.real_time
async def test_a_process_that_fails() -> None:
    got: list[str] = []
    with pytest.raises(ProcessExitError, match=r"exited with code 3") as raised:
        await net.lines(lambda: python("print('one'); raise SystemExit(3)")).for_each(got.append)
    assert got == ["one"]
    assert raised.value.returncode == 3


@pytest.mark.real_time
async def test_a_process_is_terminated_when_its_output_is_left() -> None:
    process = await python("import time; print('one', flush=True); time.sleep(60)")
    async with net.lines(process) as lines:
        assert await anext(lines) == "one"
        assert process.returncode is None
    assert process.returncode == -15


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('one', flush=True)
time.sleep(60)
"""


@pytest.mark.real_time
async def test_a_process_that_does_not_end_is_killed() -> None:
    process = await python(STUBBORN)
    with pytest.raises(CleanupTimeoutError):
        async with net.lines(process).open(grace=0.05) as lines:
            assert await anext(lines) == "one"
    assert process.returncode == -9


@pytest.mark.real_time
@pytest.mark.parametrize("buffered", [False, True])
async def test_a_process_that_is_killed_leaves_the_timeout_on_its_way(buffered: bool) -> None:
    process = await python(STUBBORN)
    lines = net.lines(process).with_grace(0.05)
    got: list[str] = []
    with pytest.raises(TimeoutError) as raised, anyio.fail_after(1):
        await (lines.buffer(1) if buffered else lines).for_each(got.append)
    assert type(raised.value) is TimeoutError
    assert (got, process.returncode) == (["one"], -9)


@pytest.mark.real_time
async def test_a_process_without_a_pipe_is_refused() -> None:
    process = await python("", stdout=DEVNULL)
    with pytest.raises(TypeError, match="stdout is a pipe"):
        net.lines(process)
    await process.wait()
    await process.aclose()
    made: list[Any] = []

    async def make() -> Any:
        made.append(await python("", stdout=DEVNULL))
        return made[-1]

    with pytest.raises(TypeError, match="stdout is a pipe"):
        await net.lines(make).drain()
    assert [process.returncode for process in made] == [0]


@pytest.mark.real_time
async def test_a_socket() -> None:
    async def serve(client: anyio.abc.SocketStream) -> None:
        async with client:
            with suppress(anyio.BrokenResourceError):  # the second reader leaves early
                for piece in one_by_one("é\r\n€ uro\nlast".encode()):
                    await client.send(piece)

    async with anyio.create_task_group() as tasks:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        stream = net.lines(lambda: anyio.connect_tcp("127.0.0.1", port))
        assert await stream.collect() == ["é", "€ uro", "last"]
        assert await stream.take(1).collect() == ["é"]
        tasks.cancel_scope.cancel()
    await listener.aclose()


@pytest.mark.parametrize("call", [net.lines, net.ndjson, net.json_seq])
def test_the_example_runs(call: Any) -> None:
    finder = doctest.DocTestParser()
    examples = finder.get_doctest(call.__doc__, {"anyio": anyio}, call.__name__, None, 0)
    assert examples.examples
    assert not doctest.DocTestRunner().run(examples).failed
