"""What operators with a clock take, and how they are written down."""

from collections.abc import Callable
from typing import Any

import pytest
from timed import IN_TASKS, IN_THE_READER, INF, NAN, WRONG

from anystream import (
    NeedsTasksError,
    Stream,
    async_range,
)

SECONDS: list[tuple[str, Callable[[Any], Any], bool]] = [
    ("seconds", async_range(3).timeout, False),
    ("seconds", async_range(3).deadline, False),
    ("every", lambda value: async_range(3).heartbeat(value, None), False),
    ("seconds", async_range(3).delay, True),
    ("seconds", async_range(3).spaced, False),
    ("per", lambda value: async_range(3).rate_limit(1, per=value), False),
    ("seconds", async_range(3).throttle, False),
    ("seconds", async_range(3).debounce, False),
    ("max_wait", lambda value: async_range(3).debounce(1, max_wait=value), False),
    ("interval", async_range(3).sample, False),
    ("within", lambda value: async_range(3).batched(2, within=value), False),
    ("trigger", async_range(3).take_until, True),
    ("trigger", async_range(3).skip_until, True),
]


@pytest.mark.parametrize(("name", "call", "zero"), SECONDS, ids=range(len(SECONDS)))
def test_refuses_bad_seconds(name: str, call: Callable[[Any], Any], zero: bool) -> None:
    least = "at least 0" if zero else "more than 0"
    for value in (-1, -0.5, NAN, INF, -INF, *([] if zero else [0, 0.0])):
        with pytest.raises(ValueError, match=rf"^{name} must be finite and {least} seconds, got "):
            call(value)
    if zero:
        call(0)
    if name != "trigger":
        for value in ("1", True, [1], object(), 1j):
            with pytest.raises(TypeError, match=rf"^{name} must be a number of seconds, got "):
                call(value)


COUNTS: list[tuple[str, Callable[[Any], Any]]] = [
    ("buffer", lambda value: async_range(3).delay(1, buffer=value)),
    ("n", async_range(3).rate_limit),
    ("burst", lambda value: async_range(3).rate_limit(1, burst=value)),
    ("n", lambda value: async_range(3).batched(value, within=1)),
    ("n", lambda value: async_range(3).batched(value, weight=abs, max_weight=1)),
]


def test_refuses_bad_counts() -> None:
    for name, call in COUNTS:
        for value in (0, -1):
            with pytest.raises(ValueError, match=rf"^{name} must be at least 1, got {value}$"):
                call(value)
        for wrong in (1.5, "2"):
            with pytest.raises(TypeError, match=rf"^{name} must be an integer, got {wrong!r}$"):
                call(wrong)


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
    with pytest.raises(TypeError, match=r"^weight must be a function, plain or async, got '1'$"):
        batched(WRONG, 1)
    for pair in ((len, None), (None, 1)):
        with pytest.raises(TypeError, match=r"^weight and max_weight belong together: give both"):
            batched(*pair)
    bounds: list[dict[str, Any]] = [{}, {"within": 1}]
    for given_within in bounds:
        with pytest.raises(TypeError, match=r"^batched\(\) needs n, or weight and max_weight$"):
            Stream("ab").batched(**given_within)


def beat() -> str:
    return "beat"


WRITTEN: list[tuple[Stream[Any], str]] = [
    (async_range(3).timeout(1), "timeout(1)"),
    (async_range(3).timeout(0.5, on_timeout="end"), "timeout(0.5, on_timeout='end')"),
    (async_range(3).deadline(60), "deadline(60)"),
    (async_range(3).deadline(60, on_timeout="end"), "deadline(60, on_timeout='end')"),
    (async_range(3).heartbeat(1, "beat"), "heartbeat(1, 'beat')"),
    (async_range(3).heartbeat(1, beat), "heartbeat(1, beat)"),
    (async_range(3).delay(0), "delay(0)"),
    (async_range(3).delay(2, buffer=1024), "delay(2)"),
    (async_range(3).delay(2, buffer=5), "delay(2, buffer=5)"),
    (async_range(3).spaced(0.1), "spaced(0.1)"),
    (async_range(3).rate_limit(5), "rate_limit(5)"),
    (async_range(3).rate_limit(5, per=60, burst=2), "rate_limit(5, per=60, burst=2)"),
    (async_range(3).throttle(1), "throttle(1)"),
    (async_range(3).throttle(1, "both"), "throttle(1, 'both')"),
    (async_range(3).debounce(1), "debounce(1)"),
    (async_range(3).debounce(1, max_wait=3), "debounce(1, max_wait=3)"),
    (async_range(3).sample(1), "sample(1)"),
    (async_range(3).batched(2, within=3), "batched(2, within=3)"),
    (
        Stream("ab").batched(2, within=3, weight=len, max_weight=4),
        "batched(2, within=3, weight=len, max_weight=4)",
    ),
    (Stream("ab").batched(weight=len, max_weight=4), "batched(weight=len, max_weight=4)"),
    (async_range(3).timestamp(), "timestamp()"),
    (async_range(3).elapsed(), "elapsed()"),
]


@pytest.mark.parametrize(("stream", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_repr_is_the_call_as_it_was_written(stream: Stream[Any], text: str) -> None:
    assert repr(stream).partition(".")[2] == text


def test_heartbeat_refuses_an_async_function() -> None:
    async def value() -> int:
        return 1

    with pytest.raises(TypeError, match="value must be a plain function or what comes, got"):
        async_range(3).heartbeat(1, value)


async def test_a_bare_loop_will_do_where_no_task_is_needed() -> None:
    for apply in IN_THE_READER.values():
        assert [item async for item in apply(async_range(3))] == [0, 1, 2]
    for apply in IN_TASKS.values():
        with pytest.raises(NeedsTasksError):
            async for _ in apply(async_range(3)):
                pass
