"""Requests and the client that sends them: of the user's, or made for one run."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from anyio import to_thread

from .. import _checks as check
from .. import _labels as label
from .._run import Host
from ._errors import BodyError
from ._urls import origin, safe, same

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


def is_response(what: object) -> bool:
    return hasattr(what, "aiter_bytes")


def is_request(what: object) -> bool:
    return hasattr(what, "method") and hasattr(what, "url") and not is_response(what)


def is_url(what: object) -> bool:
    return isinstance(what, str) or (hasattr(what, "copy_with") and hasattr(what, "host"))


@dataclass(frozen=True)
class Call:
    """What is sent for each opening: a URL with the arguments beside it, or a whole request."""

    what: Any
    method: str = "GET"
    headers: Any = None
    content: Any = None
    json: Any = None
    read_timeout: float | None = None

    def check(self, name: str, client: object) -> None:
        """Raise unless this can be sent, or is a response that has come already."""
        if not (is_url(self.what) or is_request(self.what) or is_response(self.what)):
            raise TypeError(f"{name} needs a URL, a request or a response, got {self.what!r}")
        if self.read_timeout is not None:
            check.seconds("read_timeout", self.read_timeout, zero=False)
        if is_url(self.what):
            need_client(name, client)
            return
        kind = "response" if is_response(self.what) else "request"
        given = {
            "method": self.method != "GET",
            "headers": self.headers is not None,
            "content": self.content is not None,
            "json": self.json is not None,
            "read_timeout": self.read_timeout is not None,
            "client": kind == "response" and client is not None,
        }
        for argument, is_given in given.items():
            if is_given:
                raise TypeError(f"{argument} is for a URL, and a {kind} has its own")
        if kind == "request" and client is None:
            raise TypeError("client is needed to send a request")

    @property
    def repeatable(self) -> bool:
        """Whether a repetition changes nothing at the server, so that nobody has to ask for it."""
        method = self.what.method if is_request(self.what) else self.method
        return method.upper() in ("GET", "HEAD")

    def written(self) -> dict[str, Any]:
        """What a `repr` shows of it; headers and content may hold what nobody should read."""
        return label.options(method=(self.method, "GET"), read_timeout=(self.read_timeout, None))

    async def send(self, client: Client, change: Callable[[Any], None] | None = None) -> Any:
        """Send the request, after `change` has been at it; the response, with its body to come."""
        http = await client.ready()
        request = self.request(http)
        if change is not None:
            change(request)
        home = origin(request.url)
        try:
            response = await send(http, request, trusted=True, stream=True)
            response = await follow(
                http, response, lambda asked: same(origin(asked.url), home), stream=True
            )
        except Exception as exc:
            exc.add_note(f"while asking for {place(request)}")
            raise
        if response is None:
            raise BodyError(f"more than {REDIRECTS} redirects", place(request))
        return response

    def request(self, client: Any) -> Any:
        """A request of its own for each time that it is sent."""
        if is_request(self.what):
            return type(self.what)(
                self.what.method,
                self.what.url,
                headers=self.what.headers,
                stream=self.what.stream,
                extensions=self.what.extensions,
            )
        request = client.build_request(
            self.method, self.what, headers=self.headers, content=self.content, json=self.json
        )
        request.url = with_own_query(client, request.url, self.what)
        timeouts = {**request.extensions.get("timeout", {}), "read": self.read_timeout}
        request.extensions = {**request.extensions, "timeout": timeouts}
        return request
