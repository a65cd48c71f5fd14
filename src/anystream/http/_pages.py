"""Paginated APIs as one stream of items."""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread

from .. import _labels as label
from .._operators.transform import Flatten
from .._run import Host
from .._stream import Stream, made
from ._errors import PageDataError, PageStatusError

if TYPE_CHECKING:
    import httpx


def fetch_all_pages(
    base_url: "str | httpx.URL",
    *,
    client: "httpx.AsyncClient | None" = None,
    page_param: str = "page",
    items_key: str = "items",
) -> Stream[Any]:
    """Every item of a paginated API: asks for `?page=1`, `?page=2`, ... up to an empty page.

    Each page is a JSON object with a list under `items_key`, whose items come out one by one. The
    number of the page is sent as `page_param`, beside the query that `base_url` and the client
    have. The next page is asked for when the items of the last one have been taken; a cancelled
    step asks for the same page again.

    Without a `client` the stream opens one for each run, which follows redirects and obeys the
    proxies of the environment, and closes it however the run ends. A client of yours stays open,
    and may be of any library whose `AsyncClient` has the face of httpx's.

    Raises `ImportError` if there is no `client` and httpx is not installed. A step raises
    `PageStatusError` for a status of 400 or more and `PageDataError` for a body that is no JSON or
    has no such list, both after the items of the pages before, and whatever the client raises.

    >>> async def main():
    ...     async with fetch_all_pages("https://api.example.com/users") as users:
    ...         async for user in users:
    ...             if user["name"] == "Ada":
    ...                 break
    """
    if client is None and not find_spec("httpx"):
        raise ImportError(
            "fetch_all_pages needs httpx, or a client of yours: pip install 'anystream[http]'"
        )
    given = {"client": client, "page_param": page_param, "items_key": items_key}
    defaults = {"client": None, "page_param": "page", "items_key": "items"}
    changed = {name: value for name, value in given.items() if value != defaults[name]}
    text = label.call("fetch_all_pages", str(base_url), **changed)
    pages = partial(Pages, base_url, client, page_param, items_key)
    return made(lambda _: pages(), text, Flatten)


class Pages:
    """The lists of items of the pages, one batch each."""

    busy = False
    any_task = True  # a page is read to its end, or asked for again

    def __init__(
        self,
        base_url: "str | httpx.URL",
        client: "httpx.AsyncClient | None",
        page_param: str,
        items_key: str,
    ) -> None:
        self.base_url = base_url
        self.page_param = page_param
        self.items_key = items_key
        self.client = client
        self.own: httpx.AsyncClient | None = None
        self.prefix: str | None = None  # the URL of a page without its number
        self.page: int | None = 1
        self.closes = client is None

    @property
    def holds(self) -> bool:
        return self.own is not None

    async def batch(self) -> Iterator[list[Any]] | None:
        if self.page is None:
            return None
        items = await self.fetch(self.page)
        self.page = self.page + 1 if items else None
        return iter((items,))

    async def fetch(self, page: int) -> list[Any]:
        if self.client is None:
            await anyio.to_thread.run_sync(self.open_client)
        client = cast("httpx.AsyncClient", self.client)
        if self.prefix is None:
            self.prefix = self.without_page(client)
        url = f"{self.prefix}{page}"
        request = client.build_request("GET", url)
        if client.params:  # which httpx has put in the place of the query
            request.url = type(request.url)(url)
        try:
            response = await client.send(request)
        except Exception as exc:
            exc.add_note(f"while fetching page {page} of {url}")
            raise
        return self.items(response, page)

    def without_page(self, client: "httpx.AsyncClient") -> str:
        """The URL up to the number of the page, with the query of `base_url` and the client."""
        url = client.build_request("GET", self.base_url).url
        own = type(url)(self.base_url).params
        query = client.params.merge(own).remove(self.page_param).set(self.page_param, "")
        return str(url.copy_with(params=query, fragment=None))

    def items(self, response: "httpx.Response", page: int) -> list[Any]:
        if response.status_code >= 400:
            status, reason = response.status_code, response.reason_phrase
            raise PageStatusError(status, reason, str(response.url), page)
        try:
            body: Any = response.json()
        except ValueError as exc:
            problem = f"the body is no JSON ({exc})"
            raise PageDataError(problem, str(response.url), page) from exc
        items: Any = body.get(self.items_key) if issubclass(type(body), dict) else None
        if not issubclass(type(items), list):
            problem = f"the body has no list {self.items_key!r}"
            raise PageDataError(problem, str(response.url), page)
        found: list[Any] = items
        return found

    def open_client(self) -> None:
        """Takes a tenth of a second or more, most of it for the certificates."""
        import httpx

        self.client = self.own = httpx.AsyncClient(follow_redirects=True)

    async def close(self, host: Host) -> None:
        if self.own is not None:
            own, self.own = self.own, None
            await host.release(own.aclose)
