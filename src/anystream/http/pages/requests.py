"""What is sent for a page, and when: its URL, method, headers and body, and the pace of a run."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from anyio import Event, current_time, sleep_until

from ..._retry import Retry
from .._clients import Client, with_own_query
from .._errors import CrossOriginNext
from .._urls import Origin, in_words, origin, same
from .page import Step, elements, with_value

if TYPE_CHECKING:
    import httpx

SUCCESSES = 50
"""How many answers in a row make it worth a try to ask faster."""

FASTER = 0.8
"""By which the time between two requests is shortened then."""

ENOUGH = 10
"""Answers that show a rate. A refusal after fewer may be for what others have asked for."""

GENTLE = 4
"""Requests at a time up to which their number grows by one, and not to twice as many."""


@dataclass(frozen=True)
class Ask:
    """What is asked for, and how; the same for all runs."""

    url: "str | httpx.URL"
    method: str
    params: Mapping[str, Any]
    headers: Sequence[tuple[str, str]]
    json: Any
    every: Step  # what each request has beside the step's own
    retry: Retry
    retry_methods: frozenset[str]
    max_retry_after: float
    max_page_bytes: int
    interval: float  # seconds between two requests
    allowed: frozenset[Origin]
    same_origin: bool  # links are read at the origin of the first page
    first: Step  # that of the first page


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
        own = step.get("headers", {})
        replaced = {name.lower() for name in own}
        headers = [pair for pair in ask.headers if pair[0].lower() not in replaced]
        headers += own.items()
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


# -- the pace -----------------------------------------------------------------------------------


class Pacer:
    """When the next request of a run may be sent, for all the tasks that send some.

    A pause that the server asks for is one for all of them. So that a quota is not missed by a
    burst, the requests at a time begin with one, and grow in number while all is answered; after a
    refusal for a rate limit they go out at the rate of before, or at that of the quota once several
    refusals have shown it. Other pauses, as that of a 503, say nothing about a rate.
    """

    def __init__(self, interval: float, tasks: int, patience: float) -> None:
        self._interval = interval  # seconds between two requests, as the caller wants it
        self._most = tasks
        self._patience = patience  # seconds of the longest pause
        self._free = 0.0  # when the next request may be sent
        self._until = 0.0  # when the pause is over
        self._quota = 0.0  # seconds between two requests, as the server has shown
        self._width = tasks if interval or tasks == 1 else 1  # requests at a time
        self._flying = 0
        self._landed: Event | None = None  # that a task waits for
        self._idle_since = 0.0  # when the last request has landed
        self._begun: float | None = None  # when the first request after a pause was sent
        self._answered = 0  # how many were since then
        self._before = 0  # how many were between the two refusals before
        self._shown = 0, 0.0  # how many were in how many seconds, pauses and all, at such refusals
        self._grown = 0  # of those answered when the width has grown last
        self._waiting_since: float | None = None  # the first refusal since an answer

    async def turn(self) -> None:
        """Wait until the next request may be sent, which counts as sent then.

        May be cancelled, and called again.
        """
        while True:
            due = max(self._until, self._free)
            if due > current_time():
                await sleep_until(due)
            elif self._flying >= self._width:
                if self._landed is None:
                    self._landed = Event()
                await self._landed.wait()
            else:
                break
        now = current_time()
        if self._begun is None:
            self._begun = now
        elif not self._flying:  # the reader was busy, which is no matter of the rate
            self._begun += now - max(due, self._idle_since)
        self._free = now + max(self._interval, self._quota)
        self._flying += 1

    def landed(self) -> None:
        """A request has been answered, refused or given up."""
        self._flying -= 1
        self._idle_since = current_time()
        if self._landed is not None:
            self._landed.set()
            self._landed = None

    def answered(self, left: float | None = None) -> None:
        """A request was answered; `left` is for how long the server wants no other one."""
        self._waiting_since = None
        if current_time() >= self._until:  # or it was on its way when another one was refused
            self._grow()
        if left is not None:
            self._until = max(self._until, current_time() + left)

    def _grow(self) -> None:
        self._answered += 1
        if self._answered - self._grown >= self._width < self._most:
            self._width += 1 if self._width < GENTLE else min(self._width, self._most - self._width)
            self._grown = self._answered
        if self._answered % SUCCESSES == 0:
            self._quota *= FASTER

    def refused(self, pause: float, *, limited: bool) -> bool:
        """A request was refused for now; False if that has been so for longer than allowed.

        `limited` tells whether that was for a rate limit.
        """
        now = current_time()
        if self._waiting_since is None:
            self._waiting_since = now
        if now >= self._until:  # others that were on their way are refused by the same quota
            if limited:
                self._measure(now, now + pause)
            self._begun, self._answered, self._grown, self._width = None, 0, 0, 1
        self._until = max(self._until, now + pause)
        return self._until - self._waiting_since <= self._patience

    def _measure(self, now: float, until: float) -> None:
        """Learn the rate: a quota shows in refusals after as few answers as those before."""
        if not self._answered or self._begun is None:
            return
        is_alike = 2 * self._answered <= 3 * self._before
        answers, seconds = self._shown if is_alike else (0, 0.0)
        answers, seconds = answers + self._answered, seconds + until - self._begun
        self._before, self._shown = self._answered, (answers, seconds)
        if is_alike and answers >= ENOUGH:
            self._quota = seconds / answers
        elif self._answered >= ENOUGH:
            self._quota = max(self._quota, (now - self._begun) / self._answered)
