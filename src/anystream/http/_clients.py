"""Requests and the client that sends them: of the user's, or made for one run."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from anyio import to_thread

from .. import _args as check
from .._core.contracts import Owner
from .._labels import whole
from ._errors import is_named
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
            f"{name} needs httpx (pip install 'anystream[http]') or a client of yours as client="
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

    async def close(self, owner: Owner) -> None:
        if self.own is not None:
            own, self.own = self.own, None
            await owner.release(own.aclose)


def place(what: Any) -> str:
    """Where a request goes or a response comes from, for people to read."""
    try:
        return safe(str(getattr(what, "url", what)))
    except RuntimeError:  # a response that was made by hand
        return repr(what)


def request_of(response: Any) -> Any:
    """The request that was answered; None for a response that was made by hand."""
    try:
        return response.request
    except RuntimeError:
        return None


AS_IT_COMES: dict[str, Any] = {"stream": True, "follow_redirects": False}
"""How a request is sent: the body of the response is left to be read, a redirect to be judged."""


def send_bare(client: Any, request: Any, **options: Any) -> Any:
    """Send a request without any credentials; to be awaited."""
    for name in [name for name in request.headers if name.lower() not in HARMLESS]:
        del request.headers[name]
    return client.send(request, auth=None, **options)


async def answered(send: Callable[..., Awaitable[Any]], request: Any) -> Any:
    """The response to a request, also where a hook of the client raises for its status.

    What follows from a status, as another attempt, is decided here and not by the hook. An error
    for another response, as that to a request for a token, is none of this request.
    """
    try:
        return await send(request, **AS_IT_COMES)
    except Exception as exc:
        response = getattr(exc, "response", None) if is_named(exc, "HTTPStatusError") else None
        if response is None or response.status_code < 400 or request_of(response) is not request:
            raise
        return response


async def follow(client: Any, response: Any, trusted: Callable[[Any], bool]) -> Any:
    """The response behind redirects if the client follows them; None if there are too many.

    A client leaves some credentials behind when a redirect leads to another origin, but not all:
    hence our own way.
    """
    for _ in range(REDIRECTS):
        if response.next_request is None or not client.follow_redirects:
            return response
        await response.aclose()
        request = response.next_request
        send = client.send if trusted(request) else partial(send_bare, client)
        response = await answered(send, request)
    if response.next_request is None:
        return response
    await response.aclose()
    return None


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


def check_client(client: object) -> None:
    """`client` must be None, or what has the methods that are called."""
    if client is None:
        return
    is_sync = hasattr(client, "close") and not hasattr(client, "aclose")
    if is_sync or not (hasattr(client, "build_request") and hasattr(client, "send")):
        raise TypeError(
            f"client must be an httpx.AsyncClient or have the same interface, got {whole(client)}"
        )


def check_headers(headers: Any) -> None:
    """`headers` must be names and values; what these are is not shown, as it may be a secret."""
    if headers is None:
        return
    given: Any = headers
    kind: str = given.__class__.__name__
    pairs = given.items() if isinstance(headers, Mapping) else given
    if not isinstance(headers, (Mapping, list, tuple)) or not all(map(is_pair, pairs)):
        raise TypeError(
            "headers must be a mapping of str to str, or a list of such pairs,"
            f" got a {kind} that is neither"
        )


def check_method(method: Any) -> None:
    if method is None:
        return
    check.text("method", method)
    if not METHOD.fullmatch(method):
        raise ValueError(
            f"method must be an HTTP method such as 'GET' or 'POST', got {whole(method)}"
        )


METHOD = re.compile("[A-Za-z][A-Za-z-]*")


def method_of(given: str | None, has_body: bool) -> str:
    """The method of a request: the one that was given, or the one that is usual."""
    return given.upper() if given else "POST" if has_body else "GET"


def pairs_of(given: Any) -> list[tuple[Any, Any]]:
    """Those of a mapping, or of a list of pairs; a name may come more than once in either."""
    items = getattr(given, "multi_items", None) or getattr(given, "items", None)
    return [*(given if items is None else items())]


def is_pair(pair: Any) -> bool:
    texts: Any = pair
    return (
        isinstance(pair, tuple)
        and len(texts) == 2
        and all(isinstance(text, (str, bytes)) for text in texts)
    )
