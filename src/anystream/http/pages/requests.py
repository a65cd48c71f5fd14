"""What is sent for a page: which URL, with which method, headers and body."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from ..._retry import Retry
from .._clients import Client, with_own_query
from .._errors import CrossOriginNext
from .._urls import Origin, in_words, origin, same
from .page import Step, elements, with_value

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
    max_page_bytes: int
    interval: float  # seconds between two requests
    allowed: frozenset[Origin]
    same_origin: bool  # links are read at the origin of the first page


class Requests:
    """Builds the requests of a run. Nothing is sent here."""

    def __init__(self, ask: Ask, client: Client) -> None:
        self.ask = ask
        self.opened = client
        self.client: httpx.AsyncClient = client.given  # or, from `ready` on, our own
        self.prefixes: dict[tuple[str, ...], str] = {}

    async def ready(self) -> None:
        """Open a client if there is none. Several tasks must not call this at a time."""
        self.client = await self.opened.ready()

    # -- URLs -------------------------------------------------------------------------------

    @cached_property
    def given(self) -> "httpx.URL":
        """The URL of the first page but for its step, with the query of the client and ours."""
        url, params = self.ask.url, self.ask.params
        built = self.client.build_request(self.ask.method, url).url
        if self.client.params:
            built = with_own_query(self.client, built, url)
        whole: httpx.URL = built.copy_with(fragment=None)
        return whole.copy_merge_params(params) if params else whole

    @cached_property
    def start(self) -> "httpx.URL":
        """The same without a name and a password."""
        return bare(self.given)

    @cached_property
    def home(self) -> Origin:
        return origin(self.start)

    @cached_property
    def prefix(self) -> str:
        """How every URL at the origin of the first page begins."""
        return f"{str(self.start.copy_with(raw_path=b'/', fragment=None)).rstrip('/')}/"

    def url(self, step: Step) -> str:
        """The whole URL; what a link says stays as it is written."""
        if "url" in step:
            return self.link(step)
        given: Mapping[str, Any] = step.get("params", {})
        if always := self.ask.every.get("params"):
            given = {**always, **given}
        if not given:
            return str(self.start)
        names = tuple(given)
        prefix = self.prefixes.get(names)
        if prefix is None:
            prefix = self.prefixes[names] = self.without(names)
        return prefix + "&".join(map(parameter, names, given.values()))

    def without(self, names: tuple[str, ...]) -> str:
        """The URL of the first page without these parameters, up to where they go."""
        query = self.start.params
        for name in names:
            query = query.remove(name)
        url = str(self.start.copy_with(query=None))
        return f"{url}?{query}&" if query else f"{url}?"

    def link(self, step: Step) -> str:
        """The URL of a link, with those parameters of the client that it has not, if it is ours."""
        url = step.get("url", "")
        if url.startswith(self.prefix) and not self.client.params and "params" not in step:
            return url
        link = type(self.start)(url)
        if link.scheme not in ("http", "https"):
            raise InvalidURL(f"it begins with {link.scheme}:, not with http: or https:")
        if self.ask.same_origin:
            link = self.start.copy_with(raw_path=link.raw_path)
        at_home = same(origin(link), self.home)
        url = str(bare(link)) if at_home else str(link)
        missing = [
            pair
            for pair in (*self.client.params.multi_items(), *step.get("params", {}).items())
            if pair[0] not in link.params and (at_home or pair[0] in step.get("params", {}))
        ]
        return url + ("&" if "?" in url else "?") + urlencode(missing) if missing else url

    # -- requests ---------------------------------------------------------------------------

    def request(self, step: Step, url: str) -> "httpx.Request":
        ask, client = self.ask, self.client
        method = step.get("method", ask.method)
        headers = {**(ask.headers or {}), **step.get("headers", {})}
        request = client.build_request(method, url, headers=headers, json=self.body(step, method))
        if client.params:  # which httpx has put in the place of the query
            request.url = type(request.url)(url)
        if self.given.userinfo and url.startswith(self.prefix):
            self.sign(request)
        return request

    def body(self, step: Step, method: str) -> Any:
        """The JSON body; a link of another method than that of the run has its own or none."""
        own = step.get("json")
        if "url" in step and (own is not None or method != self.ask.method):
            return own
        body = self.ask.json
        for path, value in chain(
            *(part.get("json", {}).items() for part in (self.ask.every, step))
        ):
            body = with_value(body, path, value)
        return body

    def sign(self, request: "httpx.Request") -> None:
        """Send the name and the password of the URL, unless the caller has credentials."""
        if self.client.auth is None and "authorization" not in request.headers:
            pair = f"{self.given.username}:{self.given.password}"
            request.headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"

    def is_trusted(self, step: Step, url: str) -> bool:
        """Whether credentials may go with a request; a step that is not a link is at home."""
        return "url" not in step or url.startswith(self.prefix)

    def at_home(self, request: "httpx.Request", number: int) -> bool:
        """The same for a link or a redirect elsewhere, which has to be allowed."""
        there, home = origin(request.url), self.home
        if there == home or same(there, home):
            return True
        if there in self.ask.allowed:
            return False
        raise CrossOriginNext(
            f"this is not at {in_words(home)}; pass allow_origins={[in_words(there)]!r} to ask it"
            " without the headers, cookies and auth of the client, or same_origin=True to ask"
            f" {in_words(home)} for its path",
            request.url,
            number,
        )

    def key(self, step: Step, url: str) -> int:
        """A hash of what is asked for."""
        rest = [step.get("json"), step.get("headers"), step.get("method")]
        return hash((url, repr(rest))) if any(rest) else hash(url)


class InvalidURL(ValueError):
    """A link is a URL of something else than HTTP; clients call theirs the same."""


def bare(url: "httpx.URL") -> "httpx.URL":
    """The URL without a name and a password."""
    return url.copy_with(userinfo=b"") if url.userinfo else url


def parameter(name: str, value: Any) -> str:
    if type(value) is int:
        return f"{quote_plus(name)}={value}"
    if several := elements(value):
        return "&".join(parameter(name, each) for each in several)
    return f"{quote_plus(name)}={quote_plus('' if value is None else str(value))}"
