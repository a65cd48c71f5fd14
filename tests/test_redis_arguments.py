"""`anystream.redis` before there is a server: arguments, what is written down, and secrets."""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from anystream import NeedsTasksError, redis
from anystream._core.backends import backend
from anystream._core.siblings import bare
from anystream.redis.consumers import Consumer
from anystream.redis.errors import StreamPlace, named
from anystream.redis.holdings import Holdings
from anystream.redis.links import without_secrets
from anystream.redis.plans import AT_ONCE


def group(*args: Any, **options: Any) -> Any:
    return redis.group(*(args or ("orders",)), **{"group": "billing", **options})


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "stream": (lambda: group(5), TypeError, "stream must be a str, got 5"),
    "no stream": (lambda: group(""), ValueError, "stream must not be empty"),
    "group": (lambda: group(group=None), TypeError, "group must be a str, got None"),
    "no group": (lambda: group(group=""), ValueError, "group must not be empty"),
    "consumer": (lambda: group(consumer=1), TypeError, "consumer must be a str, got 1"),
    "no consumer": (lambda: group(consumer=""), ValueError, "consumer must not be empty"),
    "the consumer of released ones": (
        lambda: group(consumer="anystream:released"),
        ValueError,
        "consumer must not be 'anystream:released', which has what was given back",
    ),
    "url": (lambda: group(url=5), TypeError, "url must be a str, got 5"),
    "scheme": (
        lambda: group(url="http://user:secret@localhost"),
        ValueError,
        "the scheme of url must be one of 'redis', 'rediss', 'unix', got 'http'",
    ),
    "port": (
        lambda: group(url="redis://user:secret@localhost:high"),
        ValueError,
        "url is not a URL: Port could not be cast to integer value as 'high'",
    ),
    "a database that is no number": (
        lambda: group(url="redis://user:secret@localhost/orders"),
        ValueError,
        "the path of url must be the number of a database, got 'redis://localhost/orders'",
    ),
    "two databases": (
        lambda: redis.sink("a", url="rediss://localhost:6379/1/2"),
        ValueError,
        "the path of url must be the number of a database, got 'rediss://localhost:6379/1/2'",
    ),
    "no host": (
        lambda: group(url="redis://:secret@/0"),
        ValueError,
        "url must name a host, got 'redis:///0'",
    ),
    "no host for a sink": (
        lambda: redis.sink("a", url="rediss://:6379"),
        ValueError,
        "url must name a host, got 'rediss://:6379'",
    ),
    "prefetch": (lambda: group(prefetch=0), ValueError, "prefetch must be at least 1, got 0"),
    "lease": (
        lambda: group(lease=0),
        ValueError,
        "lease must be finite and more than 0 seconds, got 0",
    ),
    "a lease that is too short": (
        lambda: group(lease=0.0001),
        ValueError,
        "lease must be between 0.001 and 86,400 seconds, got 0.0001",
    ),
    "a lease that is too long": (
        lambda: group(lease=86_401),
        ValueError,
        "lease must be between 0.001 and 86,400 seconds, got 86401",
    ),
    "attempts": (lambda: group(attempts=0), ValueError, "attempts must be at least 1, got 0"),
    "dead": (lambda: group(dead=""), ValueError, "dead must not be empty"),
    "the stream itself for dead ones": (
        lambda: group(dead="orders"),
        ValueError,
        "dead must be another stream, or its entries come again, got 'orders'",
    ),
    "start": (lambda: group(start=0), TypeError, "start must be a str, got 0"),
    "decode": (
        lambda: group(decode="json"),
        TypeError,
        "decode must be a plain function of the fields, got 'json'",
    ),
    "an async decode": (
        lambda: group(decode=anyio.sleep),
        TypeError,
        f"decode must be a plain function of the fields, got {anyio.sleep!r}",
    ),
    "retry": (lambda: group(retry=3), TypeError, "retry must be a Retry or None, got 3"),
    "trigger": (
        lambda: group().take_until("now"),
        TypeError,
        "trigger must be a number of seconds, an event, an awaitable or a stream, got 'now'",
    ),
    "sink": (lambda: redis.sink(""), ValueError, "stream must not be empty"),
    "maxlen": (lambda: redis.sink("a", maxlen=0), ValueError, "maxlen must be at least 1, got 0"),
    "encode": (
        lambda: redis.sink("a", encode=1),  # type: ignore[arg-type]
        TypeError,
        "encode must be a plain function of an item, got 1",
    ),
    "an async encode": (
        lambda: redis.sink("a", encode=anyio.sleep),
        TypeError,
        f"encode must be a plain function of an item, got {anyio.sleep!r}",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_are_checked_at_once(name: str) -> None:
    make, kind, text = WRONG[name]
    with pytest.raises(kind) as raised:
        make()
    assert str(raised.value) == text


def chunks(value: object) -> Iterator[object]:
    yield value


OF_HANDLE: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "fn": ({"fn": 5}, TypeError, "fn must be a function, plain or async, got 5"),
    "a generator function": (
        {"fn": chunks},
        TypeError,
        f"fn gives generators, whose items nobody would read: use flat_map, got {chunks!r}",
    ),
    "concurrency": ({"concurrency": 0}, ValueError, "concurrency must be at least 1, got 0"),
    "on_error": (
        {"on_error": "skip"},
        ValueError,
        "on_error must be one of 'release', 'raise', got 'skip'",
    ),
    "into": ({"into": ""}, ValueError, "into must not be empty"),
    "maxlen": ({"into": "a", "maxlen": 0}, ValueError, "maxlen must be at least 1, got 0"),
    "maxlen alone": ({"maxlen": 5}, TypeError, "maxlen needs into, got maxlen=5 alone"),
}


@pytest.mark.parametrize("name", OF_HANDLE)
async def test_the_arguments_of_handle_are_checked(name: str) -> None:
    options, kind, text = OF_HANDLE[name]
    with pytest.raises(kind) as raised:
        await group().handle(**{"fn": print, **options})
    assert str(raised.value) == text


@pytest.mark.parametrize("path", ["", "/", "/0", "/15", "/1/", "/?db=2"])
def test_a_database_has_a_number(path: str) -> None:
    assert group(url=f"redis://localhost{path}")


def test_a_socket_has_a_path() -> None:
    assert group(url="unix:///run/redis.sock")


def test_what_is_written_down() -> None:
    secret = group(url="redis://user:secret@localhost", consumer="a").take_until(5)
    assert repr(secret) == "group('orders', group='billing', consumer='a').take_until(5)"
    assert "secret" not in repr(redis.sink("orders", url="redis://user:secret@localhost"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@example.com:1/3?password=secret", "redis://example.com:1/3"),
        ("unix://:secret@/run/redis.sock", "unix:///run/redis.sock"),
        ("rediss://example.com", "rediss://example.com"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
    ],
)
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_an_error_that_is_not_of_the_client_is_what_it_is() -> None:
    """Also out of the groups of its tasks."""
    error = KeyError("mine")
    grouped = BaseExceptionGroup("a", [ExceptionGroup("b", [error])])
    assert bare(grouped) is error
    assert named(grouped, StreamPlace("redis://here", "orders")) is error


async def test_what_comes_after_the_last_read_is_given_back() -> None:
    """A message that was on its way when the trigger came."""
    plan = group()._plan
    holdings = Holdings(plan, "a", backend())
    holdings.stop()
    message = redis.Message("1-1", 3, [b"a", b"b"], plan.decode, holdings)
    holdings.came([message])
    assert not holdings.waiting
    assert holdings.outbox.given == [(message, AT_ONCE, 2)]


async def test_a_bare_loop_would_leave_its_task_behind() -> None:
    with pytest.raises(NeedsTasksError, match="needs tasks, and a bare `async for` has none"):
        async for _ in group():
            pass


async def test_opening_nothing_connects_to_nothing() -> None:
    assert await group(url="redis://localhost:1").take(0).collect() == []
    async with group(url="redis://localhost:1"):
        await anyio.sleep(1)
    source = Consumer(group()._plan, cast("Any", SimpleNamespace(backend=backend())))
    assert not source.holds


def test_a_client_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coredis", None)
    for make in (group, lambda: redis.sink("orders")):
        with pytest.raises(
            ImportError, match=r"needs coredis \(pip install 'anystream\[redis\]'\)$"
        ):
            make()
