"""What is said of a wrong argument, for each parameter of everything that users call."""

import inspect
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from math import inf, nan
from typing import Any, cast
from unittest import mock

import anyio
import pytest
from anyio.abc import ObjectSendStream
from test_surface import CALLED, NOT_CALLED

from anystream import Observer, async_range
from anystream.http import Comment, Event, fetch_all_pages
from anystream.redis import group
from anystream.testing import Cut, LeakWatch, TrackedSource, check_operator


def plain(*items: object) -> None: ...


async def nothing(*items: object) -> None: ...


async def letters(*items: object) -> AsyncIterator[str]:
    yield "a"


def twice(*items: object) -> Iterator[object]:
    yield items


ON: dict[str, Callable[[], Any]] = {
    "Stream": lambda: async_range(3),
    "PageStream": lambda: fetch_all_pages("http://a.example"),
    "GroupStream": lambda: group("s", group="g"),
    "Event": Event,
    "Comment": Comment,
    "Cut": lambda: Cut(1),
    "LeakWatch": LeakWatch,
    "TrackedSource": lambda: TrackedSource([1]),
}
"""What the methods of a class are called on; those of others are called inside a run."""

FITTING: dict[str, Any] = {
    "args": (3,),
    "at": 1,
    "base_url": "http://a.example",
    "background": [1],
    "buffer": 1,
    "connect": plain,
    "content": [b"a"],
    "description": "x",
    "diagram": "-a|",
    "every": 1,
    "expected": [1],
    "fn": plain,
    "group": "g",
    "handler": plain,
    "header": "X",
    "interval": 1,
    "items": [1],
    "iterable": [1],
    "key": plain,
    "messages": (),
    "n": 1,
    "name": "asyncio",
    "numbers": (signal.SIGTERM,),
    "observer": Observer(),
    "operator": lambda stream: stream,
    "others": ([1],),
    "path": "a.b",
    "program": nothing,
    "register": plain,
    "seconds": 1,
    "separator": 1,
    "size": 1,
    "source": [b"a"],
    "sources": ([1], [2]),
    "stream": async_range(3),
    "trigger": 1.0,
    "value": 1,
    "what": "http://a.example",
}
"""An argument for each required parameter."""

GIVEN: dict[str, dict[str, Any]] = {
    "anystream.Stream.batched": {"n": 2},
    "anystream.Stream.into": {"send_stream": mock.Mock(spec=ObjectSendStream)},
    "anystream.Stream.pause_while": {"trigger": [1]},
    "anystream.http.Cursor": {"path": "a", "param": "after"},
    "anystream.http.HeaderCursor": {"header": "X", "param": "after"},
    "anystream.http.LastItem": {"key": "id", "param": "after"},
    "anystream.producer": {"fn": nothing},
    "anystream.redis.group": {"stream": "s", "group": "g"},
    "anystream.redis.sink": {"stream": "s"},
    "anystream.stream": {"fn": letters},
    "anystream.testing.Cut.collect": {"iterator": letters(), "into": []},
}
"""The same where a parameter of that name takes something else, or where more is needed."""

WITH: dict[str, dict[str, Any]] = {
    "executor": {"concurrency": 2},
    "weight": {"max_weight": 1},
    "max_weight": {"weight": plain},
}
"""What else is given with a parameter."""

OTHERS = {
    "anystream.RunStatistics",
    "anystream.StageStatistics",
    "anystream.redis.Lag",
    "anystream.testing.Leak",
    "anystream.http.ErrorResponse",
    "anystream.http.Scheme",
    "anystream.Push",
    *(f"anystream.watch.{name}" for name in ("app", "serve", "table", "terminal", "watching")),
}
"""What users do not make, or subclass, or what an event loop calls."""


def is_called(name: str) -> bool:
    owner = name.split(".")[-2]
    return name not in OTHERS and name not in NOT_CALLED and (owner in ON or owner.islower())


def fitting(name: str, signature: inspect.Signature) -> dict[str, Any]:
    """Arguments for a call that succeeds."""
    parameters = signature.parameters.values()
    needed = [each.name for each in parameters if each.default is each.empty]
    given = {each: FITTING[each] for each in needed if each in FITTING} | GIVEN.get(name, {})
    return {"self": ON[name.split(".")[-2]](), **given} if "self" in needed else given


CASES = [
    (name, each.name)
    for name, called in CALLED.items()
    if is_called(name)
    for each in inspect.signature(called).parameters.values()
    if each.name != "self" and each.kind is not each.VAR_KEYWORD
]


def refused(name: str, parameter: str, value: Any) -> BaseException | None:
    """The error of a call with `value` as this argument, if there is one before it begins."""
    signature = inspect.signature(CALLED[name])
    given = {**fitting(name, signature), **WITH.get(parameter, {}), parameter: value}
    if signature.parameters[parameter].kind is inspect.Parameter.VAR_POSITIONAL:
        given[parameter] = (value,)
    bound = inspect.BoundArguments(signature, cast("Any", given))
    try:
        made = CALLED[name](*bound.args, **bound.kwargs)
        if inspect.iscoroutine(made):
            try:
                made.send(None)
            finally:
                made.close()
    except (anyio.NoEventLoopError, StopIteration):
        return None
    except BaseException as error:  # a deadlock too
        return error
    return None


# -- long values --------------------------------------------------------------------------------

LONG = "b" * 10**6


class Long:
    def __repr__(self) -> str:
        return LONG


class LongFunction(Long):
    def __call__(self) -> None: ...


class LongNumber(int):
    __repr__ = Long.__repr__


LONG_VALUES: dict[str, Callable[[], Any]] = {
    "object": Long,
    "function": LongFunction,
    "number": lambda: LongNumber(-1),
    "text": lambda: LONG,
    "list": lambda: [LONG],
    "mapping": lambda: {LONG: 1},
    "coroutine function": lambda: partial(nothing, LONG),
    "async generator function": lambda: partial(letters, LONG),
    "generator function": lambda: partial(twice, LONG),
}

SHOWN_WHOLE = {check_operator}
"""What fails with the items, and draws a diagram as it is."""


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_an_error_shows_no_more_than_the_ends_of_a_long_value(name: str, parameter: str) -> None:
    if CALLED[name] in SHOWN_WHOLE or parameter == "diagram":
        return
    for kind, make in LONG_VALUES.items():
        error = refused(name, parameter, make())
        assert len(str(error)) < 1500, kind


# -- wrong values -------------------------------------------------------------------------------

ANYTHING = {
    "default",
    "initial",
    "item",
    "json",
    "separator",
    "value",
    "anystream.Stream.pipe args",
    "anystream.Stream.sum start",
    "anystream.calls until",
    "anystream.http.Comment text",  # which `encode` checks, as the other attributes of an event
    "anystream.http.Event data",
    "anystream.http.Event id",
    "anystream.http.Event type",
    "anystream.testing.Cut.collect into",
    "anystream.testing.Cut.collect iterator",
    "anystream.testing.Cut.run program",
}
"""Parameters that take any object, or are looked at later."""


@pytest.mark.parametrize("value", [-1, inf, nan, "1"])
def test_a_source_of_tests_checks_its_times(value: Any) -> None:
    for parameter in {"pause", "cleanup"} - ({"cleanup"} if value == inf else set()):
        error = refused("anystream.testing.TrackedSource", parameter, value)
        assert f"{parameter} must be" in str(error)


def test_what_a_container_holds_is_checked() -> None:
    for errors in ({-1: OSError()}, {"0": OSError()}, {0: OSError}, {0: "OSError"}):
        error = refused("anystream.testing.TrackedSource", "errors", errors)
        assert re.match(r"an (index|error) in errors must be", str(error))
    error = refused("anystream.redis.ack", "messages", [1])
    assert str(error) == "messages must be of a consumer group, got 1"


@pytest.mark.parametrize(
    ("name", "parameter"),
    [case for case in CASES if ANYTHING.isdisjoint((case[1], " ".join(case)))],
)
def test_an_object_that_does_not_fit_is_refused_at_the_call(name: str, parameter: str) -> None:
    error = refused(name, parameter, given := object())
    assert isinstance(error, TypeError | ValueError)
    if name != "anystream.async_range":  # which says what `range` does
        shown = rf"got ({parameter}=)?{re.escape(repr(given))}|got an? object that|got object$"
        assert re.search(shown, str(error))  # the kind alone where a value may be a secret
