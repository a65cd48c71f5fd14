"""What is published by a Redis server, as a stream, by two clients."""

from collections.abc import Iterator
from typing import Any

import anyio
import coredis
import pytest
from redis import asyncio as redis_py
from redis_server import NEEDED, RedisServer, redis_server

from anystream import Stream

pytestmark = [NEEDED, pytest.mark.real_time]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


def text(message: Any) -> Any:
    return message["data"] if message["type"] == "message" else None


def publish(server: RedisServer) -> None:
    """Three messages, as soon as somebody hears of them."""
    while server.ask("PUBLISH", "news", "one") == "0":
        pass
    for word in ("two", "three"):
        server.ask("PUBLISH", "news", word)


def subscribers(server: RedisServer) -> str:
    return server.ask("PUBSUB", "NUMSUB", "news").split("\n")[-1]


@pytest.mark.parametrize("how", ["taken", "broken off", "timeout"])
async def test_coredis(server: RedisServer, how: str) -> None:
    """A subscription is a context manager and iterated itself, so a function has to make it."""
    got: list[str] = []
    async with coredis.Redis.from_url(server.url, decode_responses=True) as client:
        news = Stream(lambda: client.pubsub(channels=["news"])).map(text).filter(None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, publish, server)
            if how == "taken":
                got = await news.take(3).collect()
            elif how == "timeout":
                with anyio.CancelScope() as scope:

                    def last(word: str) -> None:
                        if word == "three":
                            scope.deadline = anyio.current_time() + 0.1

                    await news.tap(got.append).for_each(last)
            else:
                async with news.buffer(2) as items:
                    async for word in items:
                        got.append(word)
                        if word == "three":
                            break
    assert got == ["one", "two", "three"]
    with anyio.fail_after(5):
        while subscribers(server) != "0":  # noqa: ASYNC110  # the server has to hear of it
            await anyio.sleep(0.01)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_redis_py(server: RedisServer) -> None:
    """Its generator is closed with the stream, and its subscription stays who opened it's."""
    client = redis_py.Redis.from_url(server.url, decode_responses=True)
    async with client, client.pubsub() as pubsub:
        await pubsub.subscribe("news")
        news = Stream(pubsub.listen()).map(text).filter(None)
        await anyio.to_thread.run_sync(publish, server)
        assert await news.take(3).collect() == ["one", "two", "three"]
        assert subscribers(server) == "1"
