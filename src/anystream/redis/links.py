"""The connections of the client, as the rest of this package knows them.

coredis is imported here, when a connection is made: that takes most of a second.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from .. import _args as check
from .errors import StreamPlace, named

CONNECT_TIMEOUT = 5.0
"""Seconds for a connection to stand, and for an answer that does not wait for messages."""

SCHEMES = ("redis", "rediss", "unix")


class Link(Protocol):
    """One connection to the server, on which commands are answered in their order."""

    @property
    def number(self) -> int:
        """What the server calls this connection."""
        ...

    def call(self, *command: Any, timeout: float | None = None) -> Awaitable[Any]:
        """Send a command at once; what this returns is its answer."""
        ...


Connect: TypeAlias = Callable[[int], AbstractAsyncContextManager[list[Link]]]
"""Opens as many connections as it is told."""


class ClientLink:
    """A connection of coredis."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    @property
    def number(self) -> int:
        return cast("int", self.connection.client_id)

    def call(self, *command: Any, timeout: float | None = None) -> Awaitable[Any]:
        name, *args = command
        return cast(
            "Awaitable[Any]",
            self.connection.create_request(name, *args, decode=False, timeout=timeout),
        )


class ServerURL:
    """A server by its URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown: str = without_secrets(url)

    def connector(self, place: StreamPlace) -> Connect:
        """What opens connections, whose errors name `place`."""

        @asynccontextmanager
        async def connect(number: int) -> AsyncGenerator[list[Link], None]:
            from coredis import ConnectionPool

            try:
                pool = ConnectionPool.from_url(
                    self.url,
                    decode_components=True,
                    connect_timeout=CONNECT_TIMEOUT,
                    stream_timeout=CONNECT_TIMEOUT,
                    max_connections=number,
                )
                pool.connection_class = closing(pool.connection_class)
                async with pool:
                    yield [ClientLink(await pool.get_connection()) for _ in range(number)]
            except Exception as exc:
                found = named(exc, place)
                raise found from found.__cause__

        return connect


@cache
def closing(kind: Any) -> Any:
    """A class of connections that closes its streams also if no connection can be made.

    The client leaves them to the garbage collector then, which warns of each.
    """

    class Closing(kind):  # type: ignore[misc]  # known only at run time
        async def run(self, **options: Any) -> None:
            try:
                await super().run(**options)  # pyright: ignore[reportUnknownMemberType]  # as above
            finally:
                for part in vars(self).values():
                    if isinstance(part, (MemoryObjectReceiveStream, MemoryObjectSendStream)):
                        part.close()

    return Closing


def checked_server(name: str, url: Any) -> ServerURL:
    """`url` must be that of a server, and the client must be installed."""
    check.text("url", url)
    if not is_installed():
        raise ImportError(f"{name} needs coredis (pip install 'anystream[redis]')")
    try:
        server = ServerURL(url)
    except ValueError as error:  # such as of a port that is none
        raise ValueError(f"url is not a URL: {error}") from None
    scheme, _, place = server.shown.partition("://")
    check.choice("the scheme of url", scheme, SCHEMES)
    if place[:1] in ("", "/", ":") and scheme != "unix":
        raise ValueError(f"url must name a host, got {server.shown!r}")
    database = place.partition("/")[2].removesuffix("/")
    if database and not database.isdecimal() and scheme != "unix":  # the client would take 0
        raise ValueError(f"the path of url must be the number of a database, got {server.shown!r}")
    return server


def is_installed() -> bool:
    return find_spec("coredis") is not None


def without_secrets(url: str) -> str:
    """The scheme, the host and the path of a URL."""
    parts = urlsplit(url)
    host = "" if parts.hostname is None else parts.hostname
    if ":" in host:  # of IPv6
        host = f"[{host}]"
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"
