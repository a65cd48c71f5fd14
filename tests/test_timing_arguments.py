"""What operators with a clock take, and how they are written down."""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, Literal
from unittest.mock import Mock

import anyio
import pytest
from contract import the
from rows.clock import CLOCKED, ClockRow
from rows.row import always
from timed import IN_TASKS, IN_THE_READER, INF, NAN, WRONG

from anystream import (
    NeedsTasksError,
    Retry,
    Stream,
    async_range,
)

TIMED = [row for row in CLOCKED if row.seconds is not None]
COUNTED = [
    pytest.param(name, call, id=f"{row}-{name}") for row in CLOCKED for name, call in row.counts
]


@the(TIMED)
def test_takes_seconds_and_refuses_bad_ones(row: ClockRow) -> None:
    seconds = row.seconds
    assert seconds is not None
    least = "at least 0" if seconds.zero else "more than 0"
    refused = rf"^{seconds.name} must be finite and {least} seconds, got "
    for value in (-1, -0.5, NAN, INF, -INF, *([] if seconds.zero else [0, 0.0])):
        with pytest.raises(ValueError, match=refused):
            seconds.call(async_range(3), value)
    if seconds.zero:
        seconds.call(async_range(3), 0)
    seconds.call(async_range(3), Fraction(1, 2))
    if seconds.name != "trigger":  # which may be something else
        for value in ("1", True, [1], object(), 1j):
            with pytest.raises(TypeError, match=rf"^{seconds.name} must be a number of seconds, "):
                seconds.call(async_range(3), value)


@pytest.mark.parametrize(("name", "call"), COUNTED)
def test_refuses_bad_counts(name: str, call: Callable[[Stream[Any], Any], Stream[Any]]) -> None:
    for value in (0, -1):
        with pytest.raises(ValueError, match=rf"^{name} must be at least 1, got {value}$"):
            call(async_range(3), value)
    for wrong in (1.5, "2"):
        with pytest.raises(TypeError, match=rf"^{name} must be an integer, got {wrong!r}$"):
            call(async_range(3), wrong)


def test_refuses_other_choices() -> None:
    for method in (async_range(3).timeout, async_range(3).deadline):
        with pytest.raises(
            ValueError, match=r"^on_timeout must be one of 'raise', 'end', got '1'$"
        ):
            method(1, on_timeout=WRONG)
    allowed = "'leading', 'trailing', 'both'"
    edges: list[Any] = ["last", None]
    for edge in edges:
        with pytest.raises(ValueError, match=rf"^edge must be one of {allowed}, got {edge!r}$"):
            async_range(3).throttle(1, edge)


def test_refuses_bad_weights() -> None:
    def batched(weight: Any, max_weight: Any) -> Any:
        return Stream("ab").batched(2, weight=weight, max_weight=max_weight)

    for wrong in (0, -1, NAN, INF):
        with pytest.raises(ValueError, match=r"^max_weight must be finite and more than 0, got "):
            batched(len, wrong)
    for wrong in ("1", True, [1]):
        with pytest.raises(TypeError, match=r"^max_weight must be a number, got "):
            batched(len, wrong)
    with pytest.raises(TypeError, match=r"^weight must be a plain function, got '1'$"):
        batched(WRONG, 1)
    with pytest.raises(TypeError, match=r"^weight must be a plain function, got <"):
        batched(anyio.sleep, 1)
    for pair in ((len, None), (None, 1)):
        with pytest.raises(TypeError, match=r"^weight and max_weight belong together: give both"):
            batched(*pair)
    bounds: list[dict[str, Any]] = [{}, {"within": 1}]
    for given_within in bounds:
        with pytest.raises(
            TypeError, match=r"^batched\(\) needs n, weight and max_weight, or until$"
        ):
            Stream("ab").batched(**given_within)


def test_refuses_signals_with_another_end_of_a_batch() -> None:
    others: list[dict[str, Any]] = [{"within": 1}, {"weight": len, "max_weight": 1}]
    for other in others:
        with pytest.raises(TypeError, match=r"^until cannot be combined with within or weight$"):
            Stream("ab").batched(2, until=[1], **other)
    for wrong in (1, len, object()):
        with pytest.raises(TypeError, match=r"^until must be a stream, an async iterable or an"):
            Stream("ab").batched(until=wrong)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


FLAGS: dict[str, Callable[[Stream[Any], Any], Any]] = {
    "ordered": lambda s, flag: s.map(str, concurrency=2, ordered=flag),
    "partial": lambda s, flag: s.window(2, partial=flag),
    "strict": lambda s, flag: s.zip([1], strict=flag),
    "close": lambda s, flag: s.into(Mock(spec=["send", "aclose"]), close=flag),
}


@pytest.mark.parametrize("name", FLAGS)
async def test_a_flag_is_true_or_false(name: str) -> None:
    for wrong in (1, "no", None):
        with pytest.raises(TypeError, match=rf"^{name} must be True or False, got {wrong!r}$"):
            await FLAGS[name](async_range(3), wrong)


def test_refuses_to_keep_what_does_not_come() -> None:
    with pytest.raises(ValueError, match=r'^keep="first" needs edge="trailing" or "both"'):
        async_range(3).throttle(1, keep="first")
    with pytest.raises(ValueError, match=r"^keep must be one of 'last', 'first', got 'middle'$"):
        async_range(3).throttle(1, "both", keep="middle")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("wrong", ["1", None, -1, float("nan"), True])
async def test_seconds_that_a_function_gives_are_checked(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^what seconds\(item\) gives must be "):
        await async_range(3).debounce(lambda _: wrong).collect()


def test_a_function_of_seconds_is_plain() -> None:
    wrong: Any = anyio.sleep
    with pytest.raises(TypeError, match=r"^seconds must be a plain function, got "):
        async_range(3).debounce(wrong)


WRITTEN = [text for row in CLOCKED for text in row.written]


@pytest.mark.parametrize("text", WRITTEN)
def test_repr_is_the_call_as_it_was_written(text: str) -> None:
    stream = eval(f"async_range(3).{text}", {"async_range": async_range, "always": always})
    assert repr(stream) == f"async_range(3).{text}"


def test_repr_leaves_out_what_need_not_be_given() -> None:
    assert repr(async_range(3).delay(2, buffer=1024)) == "async_range(3).delay(2)"


class Later:
    async def __call__(self, *_: object) -> int:
        return 1


def test_an_object_that_is_called_like_an_async_function_is_one() -> None:
    for later in (Later(), partial(Later())):
        with pytest.raises(TypeError, match=r"^value must be an item or a plain function"):
            async_range(3).heartbeat(1, later)
        with pytest.raises(TypeError, match=r"^on must be a plain function"):
            Retry(on=later)


def test_heartbeat_refuses_an_async_function() -> None:
    async def value() -> int:
        return 1

    with pytest.raises(
        TypeError, match="value must be an item or a plain function that returns one"
    ):
        async_range(3).heartbeat(1, value)


async def test_a_bare_loop_will_do_where_no_task_is_needed() -> None:
    for apply in IN_THE_READER.values():
        assert [item async for item in apply(async_range(3))] == [0, 1, 2]
    for apply in IN_TASKS.values():
        with pytest.raises(NeedsTasksError):
            async for _ in apply(async_range(3)):
                pass


EDGES: tuple[Literal["leading", "trailing", "both"], ...] = ("leading", "trailing", "both")

# -- zero ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 0.0])
async def test_no_seconds_hold_nothing_back(seconds: float) -> None:
    for stream in (async_range(5), async_range(5, delay=1)):
        for edge in EDGES:
            assert await stream.throttle(seconds, edge).collect() == [0, 1, 2, 3, 4]
        assert await stream.debounce(seconds, max_wait=1).collect() == [0, 1, 2, 3, 4]
        assert await stream.spaced(seconds).collect() == [0, 1, 2, 3, 4]
        assert await stream.delay(seconds).collect() == [0, 1, 2, 3, 4]
        assert await stream.batched(1, within=seconds).flatten().collect() == [0, 1, 2, 3, 4]
    assert repr(async_range(5).throttle(0).debounce(0)) == "async_range(5).throttle(0).debounce(0)"


def test_what_cannot_be_zero_says_why() -> None:
    stream = async_range(3)
    why = {
        "no item is that fast": stream.timeout,
        "no stream is that fast": stream.deadline,
        "leave sample() out to get all": stream.sample,
        "there would be no end of beats": lambda value: stream.heartbeat(value, None),
        "only overflow='wait' needs no place": lambda size: stream.buffer(size, "drop_oldest"),
    }
    for text, call in why.items():
        with pytest.raises(ValueError, match=rf", got 0: {re.escape(text)}$"):
            call(0)
        with pytest.raises(ValueError, match=r", got -1$"):
            call(-1)
