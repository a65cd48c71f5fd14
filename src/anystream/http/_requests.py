"""The requests of a run: which URL, with which headers, to which origin, and how fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from .._retry import Retry
from ._clients import REDIRECTS, Client, follow, send, with_own_query
from ._errors import CrossOriginNext, PageDataError
from ._page import Step, with_value
from ._urls import Origin, in_words, origin, same

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Ask:
    """What is asked for, and how; the same for all runs."""

    url: "str | httpx.URL"
    method: str
    params: Mapping[str, Any]
    headers: Mapping[str, str] | None
    json: Any
    every: Step  # what each request has beside the step's own
    retry: Retry
    retry_methods: frozenset[str]
    max_retry_after: float
    interval: float  # seconds between two requests
    allowed: frozenset[Origin]


class Requests:
    """Builds and sends the requests of a run."""

    def __init__(self, ask: Ask, client: Client) -> None:
        self.ask = ask
        self.opened = client
        self.client: httpx.AsyncClient = client.given  # or, from `ready` on, our own
        self.free = 0.0  # when the next request may be sent
        self.base: httpx.URL | None = None  # of the first page, but for its step
        self.prefixes: dict[tuple[str, ...], str] = {}

    async def ready(self) -> None:
        """Open a client if there is none. Several tasks must not call this at a time."""
        self.client = await self.opened.ready()

    def slot(self, now: float) -> float:
        """When the next request may be sent; the one after it has to wait for its own."""
        due = max(self.free, now)
        self.free = due + self.ask.interval
        return due

    @cached_property
    def home(self) -> Origin:
        return origin(self.start())

    # -- URLs -------------------------------------------------------------------------------

    def start(self) -> "httpx.URL":
        """The URL of the first page but for its step, with the query of the client and ours."""
        if self.base is None:
            given, params = self.ask.url, self.ask.params
            url = self.client.build_request(self.ask.method, given).url
            whole: httpx.URL = with_own_query(self.client, url, given).copy_with(fragment=None)
            self.base = whole.copy_merge_params(params) if params else whole
        return self.base

    def url(self, step: Step) -> str:
        """The whole URL; what a link says stays as it is written."""
        if "url" in step:
            return self.with_client_params(step["url"])
        given: Mapping[str, Any] = step.get("params", {})
        if always := self.ask.every.get("params"):
            given = {**always, **given}
        if not given:
            return str(self.start())
        names = tuple(given)
        prefix = self.prefixes.get(names)
        if prefix is None:
            prefix = self.prefixes[names] = self.without(names)
        return prefix + "&".join(map(parameter, names, given.values()))

    def without(self, names: tuple[str, ...]) -> str:
        """The URL of the first page without these parameters, up to where they go."""
        url = self.start()
        query = url.params
        for name in names:
            query = query.remove(name)
        bare = str(url.copy_with(query=None))
        return f"{bare}?{query}&" if query else f"{bare}?"

    def with_client_params(self, url: str) -> str:
        """A link with those parameters of the client that it has not, if it stays at home."""
        params = self.client.params
        if not params:
            return url
        link = type(self.start())(url)
        missing = [pair for pair in params.multi_items() if pair[0] not in link.params]
        if not missing or not same(origin(link), self.home):
            return url
        return url + ("&" if "?" in url else "?") + urlencode(missing)

    # -- sending ----------------------------------------------------------------------------

    def request(self, step: Step, url: str) -> "httpx.Request":
        ask, client = self.ask, self.client
        body = ask.json
        if "json" in step or "json" in ask.every:
            for path, value in chain(*(part.get("json", {}).items() for part in (ask.every, step))):
                body = with_value(body, path, value)
        request = client.build_request(ask.method, url, headers=ask.headers, json=body)
        if client.params:  # which httpx has put in the place of the query
            request.url = type(request.url)(url)
        return request

    async def response(self, step: Step, url: str, number: int) -> Any:
        """The response to a step, behind redirects if the client follows them."""
        request = self.request(step, url)
        # What is no link has the origin of the first page.
        trusted = "url" not in step or self.at_home(request, number)
        response = await send(self.client, request, trusted)
        if response.next_request is not None:
            response = await follow(self.client, response, partial(self.at_home, number=number))
            if response is None:
                raise PageDataError(f"more than {REDIRECTS} redirects", url, number)
        return response

    def at_home(self, request: "httpx.Request", number: int) -> bool:
        """Whether credentials may go with a request."""
        there, home = origin(request.url), self.home
        if there == home or same(there, home):
            return True
        if there in self.ask.allowed:
            return False
        raise CrossOriginNext(
            f"this is not at {in_words(home)}; allow_origins={[in_words(there)]!r} would allow"
            " it, without the headers, cookies and auth of the client",
            request.url,
            number,
        )


def parameter(name: str, value: str | int) -> str:
    return f"{quote_plus(name)}={value if type(value) is int else quote_plus(str(value))}"
