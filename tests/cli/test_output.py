"""Where the command's lines go: whole lines, into pipes that are full, and into files."""

import os
import sys
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest

from anystream._cli.endings import UsageError
from anystream._cli.output import PIECE, LineOutput, unless_same

pytestmark = pytest.mark.real_time


@pytest.fixture
def pipe() -> Generator[tuple[LineOutput, int], None, None]:
    """An output into a pipe, and the other end of that."""
    reading, writing = os.pipe()
    with LineOutput(f"/dev/fd/{writing}") as output:
        os.close(writing)
        yield output, reading
    os.close(reading)


async def test_a_full_pipe_holds_up_nobody_else(pipe: tuple[LineOutput, int]) -> None:
    output, reading = pipe
    lines = b"".join(b"line %d\n" % n for n in range(50_000))
    received = bytearray()

    async def read_slowly() -> None:
        while len(received) < len(lines):
            await anyio.wait_readable(reading)
            received.extend(os.read(reading, 100_000))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_slowly)
            await output.write(lines)
    assert bytes(received) == lines


async def test_a_cancelled_write_ends_between_two_lines(pipe: tuple[LineOutput, int]) -> None:
    output, reading = pipe
    lines = b"".join(b"line %d of many\n" % n for n in range(50_000))
    with anyio.move_on_after(0.05) as scope:
        await output.write(lines)
    assert scope.cancelled_caught
    received = os.read(reading, 10_000_000)
    assert received.endswith(b"\n")
    assert lines.startswith(received)


async def test_a_line_longer_than_a_pipe_takes_at_once(pipe: tuple[LineOutput, int]) -> None:
    output, reading = pipe
    line = b"x" * (3 * PIECE + 5) + b"\n"
    await output.write(b"short\n" + line)
    assert os.read(reading, 10 * PIECE) == b"short\n" + line


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a pipe holds")
async def test_an_empty_pipe_is_filled_at_once(
    pipe: tuple[LineOutput, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, reading = pipe
    written: list[int] = []

    def write(fd: int, data: bytes) -> int:
        written.append(len(data))
        return os_write(fd, data)

    os_write = os.write
    monkeypatch.setattr(os, "write", write)
    line = b"x" * 999 + b"\n"
    await output.write(line * 60)
    assert written == [60_000]
    assert os.read(reading, 100_000) == line * 60
    await output.write(line)
    await output.write(line * 5)
    assert written == [60_000, 1_000, 4_000, 1_000]


async def test_a_closed_pipe_is_an_error_for_who_writes_and_an_event_for_who_waits() -> None:
    reading, writing = os.pipe()
    with LineOutput(f"/dev/fd/{writing}") as output:
        os.close(writing)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(output.abandoned)
                await anyio.wait_all_tasks_blocked()
                os.close(reading)
        with pytest.raises(BrokenPipeError):
            await output.write(b"line\n")
        output.silence()
        await output.write(b"line\n")


async def test_a_file_is_never_abandoned(tmp_path: Path) -> None:
    with LineOutput(str(tmp_path / "file")) as output, anyio.move_on_after(0.01) as scope:
        await output.abandoned()
    assert scope.cancelled_caught


async def test_a_file_is_truncated_or_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for append, expected in ((False, b"b\n"), (True, b"b\nb\n"), (False, b"b\n")):
        with LineOutput(str(path), append=append) as output:
            await output.write(b"b\n")
        assert path.read_bytes() == expected


LONG = b"y" * 200_000


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (b"", b""),
        (b"a\n", b"a\n"),
        (b"a\nb", b"a\n"),
        (b"half", b""),
        (b"a\n" + LONG, b"a\n"),
        (LONG, b""),
        (LONG + b"\n", LONG + b"\n"),
    ],
)
async def test_the_rest_of_a_line_of_ours_is_dropped(
    tmp_path: Path, before: bytes, kept: bytes
) -> None:
    path = tmp_path / "out"
    path.write_bytes(before)
    with LineOutput(str(path), append=True, ours=True) as output:
        await output.write(b"more\n")
    assert path.read_bytes() == kept + b"more\n"


def test_the_rest_of_a_line_of_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"a\nprecious")
    with pytest.raises(UsageError, match="ends in the middle of a line"):
        LineOutput(str(path), append=True)
    assert path.read_bytes() == b"a\nprecious"


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    for append in (False, True):
        with pytest.raises(UsageError, match=r"^argument -o/--output: '.*': Is a directory$"):
            LineOutput(str(tmp_path), append=append)


def test_standard_output_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(UsageError, match=r"^standard output is closed$"):
        LineOutput(None)


async def test_a_device_is_appended_to() -> None:
    with LineOutput(os.devnull, append=True) as output:
        await output.write(b"gone\n")


def test_what_is_no_file_is_no_other_file_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path through a file, which who opens it refuses, and a standard output that is closed."""
    file = tmp_path / "items"
    file.touch()
    unless_same(str(file / "more"), str(file), "the file that is read")
    monkeypatch.setattr(sys, "stdout", None)
    unless_same(None, str(file), "the file that is read")
    with pytest.raises(UsageError, match="is also the file that is read"):
        unless_same(str(file), str(file), "the file that is read")
