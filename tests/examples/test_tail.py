"""examples/tail.py: which lines come, whatever happens to the files.

The files are real and the time is virtual: it stands still while a thread reads.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import tail
from anystream.testing import cancel_everywhere
from tail import Follower, follow_all

LOOK = 10
"""Seconds between two looks at a file; the tests write in the middle between two of them."""


class Log:
    """A file that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, text: str) -> None:
        with self.path.open("a", newline="") as file:
            file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "a.log")


@pytest.fixture
def other(tmp_path: Path) -> Log:
    return Log(tmp_path / "b.log")


@asynccontextmanager
async def following(*logs: Log) -> AsyncGenerator[list[tuple[str, str]], None]:
    """The lines so far. It waits until all files are open, and at the end for what has come."""
    lines: list[tuple[str, str]] = []
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        stream = follow_all([log.path for log in logs], every=LOOK).take_until(stop)
        tasks.start_soon(stream.for_each, lines.append)
        await anyio.sleep(LOOK / 2)
        yield lines
        await anyio.sleep(LOOK)
        stop.set()


async def test_only_new_lines_come(log: Log) -> None:
    log.append("old\nunfinished")
    async with following(log) as lines:
        log.append(" and finished\nnew\n")
    assert lines == [("a.log", " and finished"), ("a.log", "new")]


async def test_the_lines_of_several_files_come_as_they_are_written(log: Log, other: Log) -> None:
    log.append("")
    other.append("")
    async with following(log, other) as lines:
        for number in range(3):
            log.append(f"{number}\n")
            await anyio.sleep(LOOK)
            other.append(f"{number}\n{number}\n")
            await anyio.sleep(LOOK)
    assert lines == [line for n in "012" for line in (("a.log", n), ("b.log", n), ("b.log", n))]


async def test_a_line_comes_when_it_has_ended(log: Log) -> None:
    log.append("")
    async with following(log) as lines:
        log.append("one, ")
        await anyio.sleep(LOOK)
        assert lines == []
        log.append("two\nthr")
        await anyio.sleep(LOOK)
        assert lines == [("a.log", "one, two")]
        log.append("ee\n")
    assert lines == [("a.log", "one, two"), ("a.log", "three")]


async def test_a_file_that_comes_later_is_read_from_its_beginning(log: Log, other: Log) -> None:
    other.append("")
    async with following(log, other) as lines:
        await anyio.sleep(3 * LOOK)
        log.append("first\n")
    assert lines == [("a.log", "first")]


async def test_a_file_that_was_cut_begins_anew(log: Log) -> None:
    log.append("something old\n")
    async with following(log) as lines:
        log.append("before\nunfinished")
        await anyio.sleep(LOOK)
        log.path.write_text("")
        log.append("after\n")
        await anyio.sleep(LOOK)
        log.append("again\n")
    assert lines == [("a.log", "before"), ("a.log", "after"), ("a.log", "again")]


@pytest.mark.parametrize("looks", [0, 1, 5])
async def test_no_line_is_lost_when_a_file_is_rotated(log: Log, looks: int) -> None:
    log.append("")
    async with following(log) as lines:
        log.append("one\n")
        await anyio.sleep(LOOK)
        log.append("two\nthree")
        log.path.rename(log.path.with_suffix(".1"))
        await anyio.sleep(looks * LOOK)
        log.append("four\n")
        await anyio.sleep(LOOK)
        log.append("five\n")
    assert lines == [("a.log", line) for line in ("one", "two", "three", "four", "five")]


async def test_lines_come_to_the_old_file_until_there_is_a_new_one(log: Log) -> None:
    log.append("")
    async with following(log) as lines:
        old = Log(log.path.with_suffix(".1"))
        log.path.rename(old.path)
        await anyio.sleep(LOOK)
        old.append("late\n")
        await anyio.sleep(LOOK)
        log.append("new\n")
    assert lines == [("a.log", "late"), ("a.log", "new")]


async def test_what_is_no_utf_8_comes_as_well(log: Log) -> None:
    log.append("")
    async with following(log) as lines:
        log.path.write_bytes(b"\xff\n")
    assert lines == [("a.log", "\ufffd")]


def test_the_files_are_closed_wherever_it_is_cut_short(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    followers: list[Follower] = []

    def make(path: Path) -> Follower:
        followers.append(Follower(path))
        return followers[-1]

    async def write() -> None:
        await anyio.sleep(LOOK / 2)
        log.append("one\ntwo\n")
        await anyio.sleep(LOOK)
        log.path.unlink()
        log.append("three\n")

    async def program() -> None:
        log.path.write_text("")
        try:
            async with (
                anyio.create_task_group() as tasks,
                follow_all([log.path], every=LOOK).take(3) as lines,
            ):
                tasks.start_soon(write)
                assert [line async for _, line in lines] == ["one", "two", "three"]
        finally:
            files = [follower.file for follower in followers]
            assert all(file is not None and file.closed for file in files)

    monkeypatch.setattr(tail, "Follower", make)
    assert cancel_everywhere(program) > 5
