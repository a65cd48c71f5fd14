"""What a user's code infers of the operators without a clock.

Checked by pyright and mypy, never run. A line with an ignore must fail: both report an ignore that
is not needed.
"""

import operator
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, assert_type

from given import add, found, is_nothing, is_odd, is_text, later_words, text, words

from anystream import Retry, Stream, async_range

T = TypeVar("T")


def digits(error: ValueError) -> list[str]:
    return [str(error)]


async def stored(error: Exception) -> Stream[str] | None:
    return None


async def ignored(error: OSError) -> None: ...


async def described(error: Exception, n: int) -> str:
    return str(error)


def waits_for(number: int, error: Exception, pause: float) -> None: ...


def halves(numbers: Stream[int], by: int) -> Stream[float]:
    return numbers.map(lambda n: n / by)


class Submitter:
    """No executor of `concurrent.futures`, but something that has the same method."""

    def submit(self, fn: Callable[..., T], *args: Any) -> Future[T]:
        raise NotImplementedError


class Misfit:
    async def submit(self, fn: Callable[..., T]) -> T:
        raise NotImplementedError


def executors(ints: Stream[int], pool: ThreadPoolExecutor) -> None:
    assert_type(ints.map(str, executor=ThreadPoolExecutor, concurrency=2), Stream[str])
    assert_type(ints.filter(is_odd, executor=ProcessPoolExecutor, concurrency=2), Stream[int])
    assert_type(ints.map(str, executor=pool, concurrency=2, chunk="auto"), Stream[str])
    make = partial(ProcessPoolExecutor, 4)
    in_processes = ints.map(str, executor=make, concurrency=2, attempts=3)
    assert_type(in_processes, Stream[str])
    assert_type(ints.map(str, executor=Submitter(), concurrency=2), Stream[str])
    mended = ints.map(str, executor=pool, concurrency=2, on_error=lambda error, n: n)
    assert_type(mended, Stream[str | int])
    assert_type(ints.filter(is_odd, executor=pool, concurrency=2), Stream[int])
    ints.map(str, executor=Misfit(), concurrency=2)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ints.map(str, executor=3, concurrency=2)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ints.map(str, executor=pool, concurrency=2, chunk="best")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def operators(ints: Stream[int], strings: Stream[str]) -> None:
    assert_type(ints.map(str), Stream[str])
    assert_type(ints.map(lambda n: n / 2), Stream[float])
    assert_type(ints.map(text), Stream[str])
    assert_type(ints.map(words).starmap(described), Stream[str])
    assert_type(ints.enumerate().starmap(lambda count, n: str(count + n)), Stream[str])
    assert_type(ints.enumerate().starmap(add), Stream[float])
    assert_type(ints.tap(print), Stream[int])
    assert_type(ints.progress("ints", 3), Stream[int])
    assert_type(ints.tap(text), Stream[int])
    assert_type(ints.filter(None), Stream[int])
    assert_type(ints.filter(lambda n: n > 1), Stream[int])
    assert_type(strings.map(found).filter(None), Stream[str])
    assert_type(strings.map(found).filter(None, concurrency=2).map(str.upper), Stream[str])
    assert_type(strings.map(found).filter(is_text), Stream[str])
    assert_type(strings.map(found).filter(is_nothing), Stream[None])
    assert_type(strings.map(found).take_while(is_text), Stream[str])
    assert_type(strings.map(found).take_while(is_nothing), Stream[None])
    assert_type(strings.map(found).take_while(bool), Stream[str | None])
    assert_type(ints.filter(is_odd), Stream[int])
    assert_type(ints.take(1).skip(1).take_while(is_odd).skip_while(bool), Stream[int])
    assert_type(ints.enumerate(), Stream[tuple[int, int]])
    assert_type(ints.accumulate(), Stream[int])
    assert_type(ints.accumulate(operator.add), Stream[int])
    assert_type(ints.accumulate(add, initial=0.5), Stream[float])
    assert_type(ints.batched(2), Stream[tuple[int, ...]])
    assert_type(ints.batched(until=strings), Stream[tuple[int, ...]])
    assert_type(ints.pipe(halves, 2), Stream[float])
    assert_type(ints.pipe(id), int)
    ints.pipe(halves, "2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    strings.pipe(halves, 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(ints.pairwise(), Stream[tuple[int, int]])
    assert_type(ints.chunk_by(is_odd), Stream[tuple[int, ...]])
    assert_type(ints.chunk_by(later_words), Stream[tuple[int, ...]])
    assert_type(ints.split_when(operator.gt), Stream[tuple[int, ...]])
    assert_type(ints.intersperse("-"), Stream[int | str])
    assert_type(ints.intersperse(0), Stream[int])
    ints.split_when(is_odd)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    ints.batched(until=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(ints.map(words).flatten(), Stream[str])
    assert_type(ints.map(async_range).flatten(), Stream[int])
    assert_type(ints.flat_map(words), Stream[str])
    assert_type(ints.flat_map(later_words), Stream[str])
    assert_type(ints.flat_map(async_range), Stream[int])
    assert_type(ints.chain(strings, ["a"]), Stream[int | str])
    assert_type(ints.buffer(3), Stream[int])
    assert_type(ints.merge(strings), Stream[int | str])
    assert_type(ints.on_close(print), Stream[int])
    assert_type(ints.with_grace(3), Stream[int])
    assert_type(ints.named("numbers"), Stream[int])
    ints.tap(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.starmap(add)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    ints.filter(lambda: True)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    ints.skip_while(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.take_while(None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    ints.accumulate(add)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.accumulate(add, 0.5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    ints.enumerate(0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.flat_map(float)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.chain(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ints.merge(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ints.progress(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.on_close(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.with_grace(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.pairwise(2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ints.skip(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.map(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.take("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.flatten()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    strings.map(operator.neg)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


def tasks(ints: Stream[int], strings: Stream[str], floats: Stream[float]) -> None:
    assert_type(ints.buffer(3, "drop_oldest"), Stream[int])
    assert_type(ints.map(text, concurrency=3), Stream[str])
    assert_type(ints.map(words, concurrency=3, ordered=False, ahead=0), Stream[list[str]])
    assert_type(ints.filter(is_odd, concurrency=3), Stream[int])
    assert_type(ints.flat_map(words, concurrency=3), Stream[str])
    assert_type(ints.flat_map(later_words, concurrency=3), Stream[str])
    assert_type(ints.switch_map(words), Stream[str])
    assert_type(ints.switch_map(later_words), Stream[str])
    assert_type(ints.map_latest(text), Stream[str])
    assert_type(ints.map_latest(str), Stream[str])
    assert_type(ints.merge(strings, until="any"), Stream[int | str])
    assert_type(ints.race(strings), Stream[int | str])
    assert_type(ints.zip(strings), Stream[tuple[int, str]])
    assert_type(ints.zip(strings, floats, strict=True), Stream[tuple[int, str, float]])
    assert_type(ints.zip(strings, floats, ints), Stream[tuple[int, str, float, int]])
    assert_type(ints.combine_latest(strings), Stream[tuple[int, str]])
    assert_type(ints.with_latest_from(strings), Stream[tuple[int, str]])
    assert_type(ints.concurrently(strings), Stream[int])
    assert_type(
        ints.zip(strings, floats, ints, "a", [b""], strict=True),
        Stream[tuple[int, str, float, int, str, bytes]],
    )
    assert_type(ints.zip("", "", "", "", "", ""), Stream[tuple[Any, ...]])
    assert_type(ints.merge(strings, floats), Stream[int | str | float])
    assert_type(ints.merge(strings, [b""], [None], buffer=1), Stream[int | str | bytes | None])
    assert_type(ints.chain(strings, [b""]), Stream[int | str | bytes])
    assert_type(ints.race(strings, [b""], [None]), Stream[int | str | bytes | None])
    assert_type(ints.combine_latest("a", [b""], [0.5]), Stream[tuple[int, str, bytes, float]])
    assert_type(ints.with_latest_from("a", [b""], [0.5]), Stream[tuple[int, str, bytes, float]])
    assert_type(ints.combine_latest(strings, floats), Stream[tuple[int, str, float]])
    assert_type(ints.with_latest_from(strings, floats), Stream[tuple[int, str, float]])
    assert_type(ints.group_by(str), Stream[tuple[str, Stream[int]]])
    assert_type(ints.group_by(text, 5, "error"), Stream[tuple[str, Stream[int]]])
    ints.map(text, 3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    ints.map_latest(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.race(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ints.zip(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.zip(strings, strict=1.5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.combine_latest(strings, 5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.with_latest_from(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.concurrently(text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.group_by("key")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.buffer(3, "drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.merge(strings, until="some")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ints.switch_map(text(3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def recovery(ints: Stream[int]) -> None:
    assert_type(ints.catch(lambda error: ["x"]), Stream[int | str])
    assert_type(ints.catch(lambda error: [0]), Stream[int])
    assert_type(ints.catch(lambda error: None), Stream[int])
    assert_type(ints.catch(lambda error: print(error.errno), OSError), Stream[int])
    assert_type(ints.catch(digits, ValueError), Stream[int | str])
    assert_type(ints.catch(stored), Stream[int | str])
    assert_type(ints.catch(stored, (OSError, ValueError)), Stream[int | str])
    assert_type(ints.catch(ignored, OSError), Stream[int])
    assert_type(ints.retry(), Stream[int])
    assert_type(ints.retry(5), Stream[int])
    assert_type(ints.retry(Retry(None, on=(OSError, KeyError), hook=waits_for)), Stream[int])
    assert_type(ints.retry(Retry(on=lambda error: "later" in str(error))), Stream[int])
    assert_type(Retry().random(), float)
    assert_type(ints.retry(resume=words), Stream[int | str])
    assert_type(ints.retry(2, resume=later_words), Stream[int | str])
    assert_type(ints.retry(2, resume=async_range), Stream[int])
    assert_type(ints.repeat(), Stream[int])
    assert_type(ints.repeat(3, pause=0.5), Stream[int])
    assert_type(ints.default_if_empty(None), Stream[int | None])
    assert_type(ints.default_if_empty(0), Stream[int])
    assert_type(ints.distinct().distinct(str, remember=None).distinct(text), Stream[int])
    assert_type(ints.dedupe().dedupe(str).dedupe(text), Stream[int])
    assert_type(ints.window(3), Stream[tuple[int, ...]])
    assert_type(ints.window(3, 2, partial=True), Stream[tuple[int, ...]])
    assert_type(ints.map(text, on_error="skip"), Stream[str])
    assert_type(ints.map(str, on_error="skip", concurrency=2), Stream[str])
    assert_type(ints.map(str, on_error=lambda error, n: n), Stream[str | int])
    assert_type(ints.map(text, on_error=lambda error, n: None), Stream[str | None])
    assert_type(ints.map(text, on_error=described, concurrency=2), Stream[str])
    assert_type(ints.map(lambda n: n, on_error=described), Stream[int | str])
    assert_type(ints.map(str, on_error=described), Stream[str])
    ints.map(str, on_error=waits_for)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.distinct(remember="all")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.dedupe(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.window(3, None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.window(3, 2, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ints.repeat(pause="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.default_if_empty()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ints.catch(digits)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.catch(digits, OSError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.catch(stored, KeyboardInterrupt)  # type: ignore[arg-type, type-var]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.catch(lambda error: 5)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType, reportCallIssue]
    ints.retry("3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    ints.retry(resume=str.upper)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Retry(on="OSError")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Retry(hook=print, times=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ints.map(str, on_error="drop")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
