"""A stream over a body: its source in a task of its own, and operators behind that."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ... import _layouts as layouts
from ..._core.contracts import Operator, Owner, Source, SourceDefaults
from ..._core.driver import Attempt
from ..._labels import Label
from ..._operators.concurrent import merged
from ..._recipe import Recipe
from ..._sources.origins import OneShot
from ..._stream import Stream
from .._clients import Client
from .chunks import BodyChunks
from .openings import Openings
from .requests import BodyRequest, is_response

AHEAD = 8
"""Chunks that are read before they are asked for, so that not each of them wakes a reader."""


def live(
    open_it: Callable[[Any, Owner], Source],
    request: BodyRequest,
    *row: Callable[[Owner], Operator],
) -> Stream[Any]:
    """A stream whose source runs in a task of its own, and is opened with the response if any."""
    open_source: Callable[[Owner], Source] = partial(open_it, None)
    if is_response(request.what):
        open_source = OneShot(request.what, open_it)
    call = Label()
    chunks = Recipe.source(open_source, text=call)
    open_buffer = merged([chunks], AHEAD, "wait")
    buffered = Recipe.combine(open_buffer, call, [chunks], layouts.CHUNKS, AHEAD)
    return Stream(buffered.also(*row))


class Connected(ABC, SourceDefaults):
    """What has one body at a time, and the client that asks for it."""

    closes = True
    any_task = False

    def __init__(
        self, request: BodyRequest, client: Client, openings: Openings, response: Any = None
    ) -> None:
        self.request = request
        self.client = client
        self.openings = openings
        self.body: BodyChunks | None = self.connection(response)

    @property
    def holds(self) -> bool:
        return self.client.own is not None or (self.body is not None and self.body.holds)

    def connection(self, response: Any = None) -> BodyChunks:
        send = partial(self.request.send, self.client, self.prepare)
        return BodyChunks(send, self.accept, response)

    def prepare(self, request: Any) -> None:  # most are sent as they are
        """Add to a request what this source needs."""

    @abstractmethod
    async def accept(self, response: Any) -> None:
        """Raise if the body of this response is not to be read."""

    async def close(self, owner: Owner) -> None:
        if self.body is not None:
            await self.body.close(owner)
        await self.client.close(owner)


class Body(Connected):
    """The chunks of a body."""

    async def accept(self, response: Any) -> None:
        if not 200 <= response.status_code < 300:
            raise await self.openings.refused(response)

    async def batch(self) -> Iterator[bytes] | None:
        body = self.body
        if body is None or not body.is_open:
            body = await self.opened()
        return await body.batch()

    async def opened(self) -> BodyChunks:
        """The body, after as many attempts as the policy allows."""
        while True:
            if self.body is None:
                await self.openings.wait()
                self.body = self.connection()
            attempt = Attempt()
            try:
                await attempt.wait(self.body.open())
            except Exception as error:
                if attempt.was_cancelled:
                    raise
                await self.failed(self.body, error)
            else:
                return self.body

    async def failed(self, body: BodyChunks, error: Exception) -> None:
        least = self.openings.granted(error)
        pause = self.openings.backoff.pause(None, least)
        self.body = None
        await self.openings.leave(body, error, pause)
