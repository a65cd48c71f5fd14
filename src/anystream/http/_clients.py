"""Requests and the client that sends them: of the user's, or made for one run."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from anyio import to_thread

from .._run import Host
from ._urls import safe

REDIRECTS = 20
HARMLESS = {
    "accept",
    "accept-encoding",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "transfer-encoding",
    "user-agent",
}
"""The headers that may go to another origin: no other one is known to hold no credentials."""


def need_client(name: str, client: object) -> None:
    """`name` can only be called with a client, or if one can be made."""
    if client is None and not find_spec("httpx"):
        raise ImportError(
            f"{name} needs httpx, or a client of yours: pip install 'anystream[http]'"
        )


class Client:
    """The client of a run: the one that is given, or one that is made for it and closed with it."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self.own: Any = None

    async def ready(self) -> Any:
        if self.given is None and self.own is None:
            await to_thread.run_sync(self.make)
        return self.own if self.given is None else self.given

    def make(self) -> None:
        """Takes a tenth of a second or more, most of it for the certificates."""
        import httpx

        self.own = httpx.AsyncClient(follow_redirects=True)

    async def close(self, host: Host) -> None:
        if self.own is not None:
            own, self.own = self.own, None
            await host.release(own.aclose)


def place(what: Any) -> str:
    """Where a request goes or a response comes from, for people to read."""
    try:
        return safe(str(getattr(what, "url", what)))
    except RuntimeError:  # a response that somebody has made by hand
        return repr(what)


def send(client: Any, request: Any, trusted: bool, *, stream: bool = False) -> Any:
    """Send one request; without any credentials if it is not `trusted` with them. To be awaited."""
    if trusted:
        return client.send(request, stream=stream, follow_redirects=False)
    for name in [name for name in request.headers if name.lower() not in HARMLESS]:
        del request.headers[name]
    return client.send(request, stream=stream, follow_redirects=False, auth=None)


async def follow(
    client: Any, response: Any, trusted: Callable[[Any], bool], *, stream: bool = False
) -> Any:
    """The response behind redirects if the client follows them; None if there are too many.

    A client leaves some credentials behind when a redirect leads to another origin, but not all:
    hence our own way.
    """
    for _ in range(REDIRECTS):
        if response.next_request is None or not client.follow_redirects:
            return response
        if stream:
            await response.aclose()
        request = response.next_request
        response = await send(client, request, trusted(request), stream=stream)
    return response if response.next_request is None else None


def with_own_query(client: Any, url: Any, given: Any) -> Any:
    """The `url` of a request for the one `given`, with its query beside the client's parameters.

    httpx puts these in the place of the query.
    """
    if not client.params:
        return url
    own = type(url)(given).params
    return url.copy_with(params=client.params.merge(own))


def is_url(what: object) -> bool:
    return isinstance(what, str) or (hasattr(what, "copy_with") and hasattr(what, "host"))
