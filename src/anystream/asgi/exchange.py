"""One request and its response: the items of a stream as messages, until the client has gone."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from anyio import CancelScope, create_task_group, get_cancelled_exc_class
from anyio.lowlevel import checkpoint

from .._stream import Stream

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


CLIENT_CLOSED_REQUEST = 499
"""The status that nginx has for a client that has left before its response began."""


class Exchange:
    """Sends a response, and notices when nobody wants it any more.

    The stream is opened in the task that sends. What ends it early, the message of a client that
    has gone or a `send` that fails, cancels the scope in which it is open.
    """

    def __init__(self, start: Message, receive: Receive, send: Send) -> None:
        self.start: Message = start
        self.receive: Receive = receive
        self.send_message: Send = send
        self.begun: bool = False  # whether the server was given the start, or is given it
        self.started: bool = False
        self.failure: BaseException | None = None
        self.scope: CancelScope

    async def run(
        self,
        pieces: Callable[[], Awaitable[Stream[bytes]]],
        last_words: Callable[[Exception], Awaitable[bytes]],
    ) -> None:
        """Send what `pieces` gives, and after an error what `last_words` says."""
        async with create_task_group() as tasks:
            self.scope = tasks.cancel_scope
            tasks.start_soon(self.until_left)
            try:
                await self.respond(await pieces(), last_words)
            except get_cancelled_exc_class():
                raise
            except BaseException as exc:  # bare, for the handlers of the framework
                self.failure = exc
            self.scope.cancel()
        failure, self.failure = self.failure, None
        try:
            if failure is not None:
                raise failure
        finally:
            del failure  # which refers to this frame
        if not self.begun:  # middleware waits for a response, also if nobody will get it
            self.start = {**self.start, "status": CLIENT_CLOSED_REQUEST, "headers": []}
            await self.send(b"", more=False)

    async def until_left(self) -> None:
        try:
            while (message := await self.receive())["type"] != "http.disconnect":
                if not message.get("more_body"):  # that of a test may answer at once, for ever
                    await checkpoint()
        except Exception as exc:
            self.failure = exc
        self.scope.cancel()

    async def respond(
        self, pieces: Stream[bytes], last_words: Callable[[Exception], Awaitable[bytes]]
    ) -> None:
        words = b""
        try:
            async with pieces as items:
                async for piece in items:
                    await self.send(piece)
        except Exception as exc:
            self.failure = exc  # also if the client leaves during the last words
            if self.started and not self.scope.cancel_called:
                words = await last_words(exc)
        if words:
            await self.send(words)
        elif self.failure is None:
            await self.send(b"", more=False)  # not before all is closed, which may fail

    async def send(self, body: bytes, *, more: bool = True) -> None:
        if not self.started:
            self.begun = True
            await self.deliver(self.start)
            self.started = True
        if body or not more:
            await self.deliver({"type": "http.response.body", "body": body, "more_body": more})

    async def deliver(self, message: Message) -> None:
        try:
            await self.send_message(message)
        except OSError:  # the client has gone
            self.scope.cancel()
            await checkpoint()
