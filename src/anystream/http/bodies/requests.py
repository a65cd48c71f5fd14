"""What is sent for a body: a URL with the arguments beside it, or a request of the user's."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from anyio import AsyncFile

from ... import _args as check
from ..._core.siblings import add_notes
from ..._errors import StreamConsumedError
from ..._labels import whole
from ..._recipe import named_call_showing
from .._clients import (
    REDIRECTS,
    Client,
    answered,
    check_client,
    check_headers,
    check_method,
    follow,
    is_url,
    method_of,
    need_client,
    place,
    with_own_query,
)
from .._errors import BodyError
from .._urls import origin, same

F = TypeVar("F", bound=Callable[..., Any])


def named_request(fn: F) -> F:
    """Let `fn` show this much of a request; headers and content may hold secrets."""
    return named_call_showing(
        *("method", "read_timeout", "last_event_id", "retry", "max_retry_after"),
        *("max_line", "max_text", "max_event", "loads", "comments"),
        what=place,
    )(fn)


def is_response(what: object) -> bool:
    return hasattr(what, "aiter_bytes")


def is_request(what: object) -> bool:
    return hasattr(what, "method") and hasattr(what, "url") and not is_response(what)


class Once:
    """Content that can be read only once: a second reading is an error, and not an empty body."""

    def __init__(self, parts: AsyncIterable[bytes]) -> None:
        self.parts = parts
        self.begun: bool = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self.begun:
            raise StreamConsumedError(
                "content can be read only once, and has been sent before; to send it again, pass"
                " bytes, or what can be read again, such as Stream(fn)"
            )
        self.begun = True
        return aiter(self.parts)


READ_ONCE = (AsyncIterator, Iterator, AsyncFile)


def is_read_once(content: Any) -> bool:
    """Whether nothing is left of content once it was read, as far as that can be told.

    Clients wrap what they are given in a stream of their own, and so do users.
    """
    held: dict[str, Any] = getattr(content, "__dict__", {})
    fields: Any = held.get("fields")  # of a form
    parts = (content, *held.values(), *(fields if issubclass(type(fields), list) else ()))
    return any(isinstance(part, READ_ONCE) or is_pipe(part) for part in parts)


def is_pipe(part: Any) -> bool:
    """Whether a part is the field of a form for a file that cannot be read again."""
    file: Any = getattr(part, "file", None)
    return hasattr(file, "read") and not (hasattr(file, "seekable") and file.seekable())


def check_content(given: object) -> None:
    """`given` must be what an async client sends; its value is not shown, as it may be a secret."""
    if given is not None and not isinstance(given, (str, bytes, AsyncIterable)):
        kind = type(given).__name__
        raise TypeError(f"content must be str, bytes or an async iterable of bytes, got {kind}")


@dataclass(frozen=True)
class BodyRequest:
    """What is sent for each opening: a URL with the arguments beside it, or a whole request."""

    what: Any
    verb: str | None
    headers: Any
    content: Any
    json: Any
    read_timeout: float | None

    def check(self, name: str, client: object) -> None:
        """Raise unless this can be sent, or is a response that has come already."""
        if not (is_url(self.what) or is_request(self.what) or is_response(self.what)):
            raise TypeError(f"{name} needs a URL, a request or a response, got {whole(self.what)}")
        check_client(client)
        check_method(self.verb)
        check_headers(self.headers)
        check_content(self.content)
        if self.content is not None and self.json is not None:
            raise ValueError("give content or json, not both: a request has one body")
        if self.read_timeout is not None:
            check.seconds("read_timeout", self.read_timeout, zero=False)
        if is_url(self.what):
            need_client(name, client)
            return
        kind = "response" if is_response(self.what) else "request"
        given = {
            "method": self.verb is not None,
            "headers": self.headers is not None,
            "content": self.content is not None,
            "json": self.json is not None,
            "read_timeout": self.read_timeout is not None,
            "client": kind == "response" and client is not None,
        }
        for argument, is_given in given.items():
            if is_given:
                raise TypeError(f"{argument} can be given only with a URL: a {kind} has its own")
        if kind == "request" and client is None:
            raise TypeError("client must be given to send a request")

    @property
    def method(self) -> str:
        return method_of(self.verb, self.content is not None or self.json is not None)

    @cached_property
    def body(self) -> Any:
        """The content as it is sent each time, which knows whether it was if it is for once."""
        given = self.what.stream if is_request(self.what) else self.content
        return Once(given) if is_read_once(given) else given

    @property
    def is_spent(self) -> bool:
        """Whether it cannot be sent again, since nothing is left of its content."""
        return isinstance(self.body, Once) and self.body.begun

    @property
    def repeatable(self) -> bool:
        """Whether a repetition changes nothing at the server, so that nobody has to ask for it."""
        method: str = self.what.method.upper() if is_request(self.what) else self.method
        return method in ("GET", "HEAD")

    async def send(self, client: Client, change: Callable[[Any], None]) -> Any:
        """Send the request, after `change` has been at it; the response, with its body to come."""
        http = await client.ready()
        request = self.request(http)
        change(request)
        home = origin(request.url)
        try:
            response = await answered(http.send, request)
            response = await follow(http, response, lambda asked: same(origin(asked.url), home))
        except Exception as exc:
            add_notes(exc, f"while asking for {place(request)}")
            raise
        if response is None:
            raise BodyError(f"more than {REDIRECTS} redirects", place(request))
        return response

    def request(self, client: Any) -> Any:
        """A request of its own for each time that it is sent."""
        if is_request(self.what):
            content = "content" if isinstance(self.body, Once) else "stream"
            return type(self.what)(
                self.what.method,
                self.what.url,
                headers=self.what.headers,
                extensions=self.what.extensions,
                **{content: self.body},
            )
        request = client.build_request(
            self.method, self.what, headers=self.headers, content=self.body, json=self.json
        )
        request.url = with_own_query(client, request.url, self.what)
        timeouts = {**request.extensions.get("timeout", {}), "read": self.read_timeout}
        request.extensions = {**request.extensions, "timeout": timeouts}
        return request
