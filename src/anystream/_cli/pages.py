"""`anystream pages`: every item of a paginated API, one line each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..http import fetch_all_pages
from . import clients, schemes
from .columns import lines_of
from .command import Command
from .endings import UsageError, bare_message, one_line
from .secrets import concealed, revealed, secret_pairs
from .values import as_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http import Page, PageStream


class PagesCommand(Command):
    """The pages that the options ask for, and what becomes of them."""

    noun = "items"
    first = 0.5
    longest = 60.0

    def prepare(self) -> None:
        options = self.options
        self.check()
        self.request(options.url)
        how = options.next and [options.next.text, *filter(None, map(self.said, schemes.OTHERS))]
        self.resume = self.resumption(
            options.method, options.data, how, options.items, options.dedupe, options.select
        )
        self.stream()  # complains about what does not go together
        self.lines_of = lines_of(options.select, as_csv=options.csv)

    def said(self, option: str) -> Any:
        return getattr(self.options, option)

    def check(self) -> None:
        """What no option can know by itself."""
        options = self.options
        kind = options.next.kind if options.next else None
        for option, (_, kinds) in schemes.OTHERS.items():
            if self.said(option) and kind not in kinds:
                only = " or ".join(f"--next {each}" for each in kinds)
                raise UsageError(f"argument {as_option(option)}: only with {only}")
        for option, others in EXCLUSIVE.items():
            for other in others:
                if self.said(option) and self.said(other):
                    problem = f"not allowed with {as_option(other)}"
                    raise UsageError(f"argument {as_option(option)}: {problem}")
        countable = (kind == "page" and options.total_pages) or (kind == "offset" and options.total)
        if options.concurrency > 1 and not countable:
            raise UsageError(
                "argument --concurrency: needs --next page with --total-pages, or --next offset"
                " with --total, to know the number of pages in advance"
            )
        if options.page_size and options.page_size[0] is None and kind is None:
            raise UsageError("argument --page-size: without --next it must be PARAM=N")

    # -- what is asked for ------------------------------------------------------------------

    def stream(self, client: Any = None) -> PageStream[Any]:
        try:
            return fetch_all_pages(client=client, **self.arguments())
        except (TypeError, ValueError) as exc:
            raise UsageError(str(exc)) from exc

    def arguments(self) -> dict[str, Any]:
        """Those of `fetch_all_pages`."""
        options = self.options
        url, (param, size) = self.url, options.page_size or (None, None)
        if param and options.next is None:
            url, size = clients.with_query(url, [(param, str(size))]), None
        alone = {"max_pages": 1, "prefetch": 0} if options.dry_run else {}
        given = {name: self.said(name) for name in PASSED_ON if self.said(name) is not None}
        return {
            "base_url": url,
            "next": options.next and schemes.build(options.next, options, param),
            "headers": self.headers,
            "json": options.data,
            "page_size": size,
            "rate": options.rate and options.rate[0] / options.rate[1],
            "retry": self.retry(),
            "retry_methods": ("GET", "HEAD", "POST") if options.retry_post else ("GET", "HEAD"),
            "allow_origins": tuple(options.allow_origin),
            "resume_from": self.resume and self.with_urls(self.resume.state, revealed),
            "texts": True,
            **given,
            **alone,
        }

    # -- what becomes of it -----------------------------------------------------------------

    async def write(self) -> None:
        options = self.options
        take = self.describe if options.dry_run else self.take
        if options.slurp:
            await self.out.write(b"[\n")
        async with (
            clients.client(options) as client,
            self.shown(self.stream(client).by_page()) as pages,
        ):
            async for page in pages:
                await take(page)
        if options.slurp:
            await self.out.write(b"]\n")

    async def take(self, page: Page[str]) -> None:
        """Write a page and keep the place behind it."""
        data = self.lines(page.items)
        self.count.pages += 1
        self.count.items += len(page.items)
        self.count.total = page.total
        await self.session.write(self.out, data, lambda: self.save(page))
        if self.options.verbose:
            self.session.say(f"page {page.number} of {page.url}: {len(page.items)} items")

    def lines(self, texts: list[str]) -> bytes:
        lines = self.lines_of(texts)
        if not lines:
            return b""
        if not self.options.slurp:
            return ("\n".join(lines) + "\n").encode()
        # The comma begins a line, so that what has been written always ends with a whole one.
        first = "," if self.count.items else ""
        return (first + "\n,".join(lines) + "\n").encode()

    def save(self, page: Page[str]) -> None:
        if self.resume is not None:
            state = page.state
            self.resume.save(self.with_urls(state, concealed), done=state["step"] is None)

    def with_urls(self, state: Any, change: Callable[[str, dict[str, str]], str]) -> Any:
        """A state with other URLs: in the file they are without credentials."""
        secret = secret_pairs(self.options.url, self.options.query)

        def changed(value: Any) -> Any:
            return {**value, "url": change(value["url"], secret)} if "url" in value else value

        return state and {**changed(state), "step": state["step"] and changed(state["step"])}

    # -- --dry-run --------------------------------------------------------------------------

    async def describe(self, page: Page[str]) -> None:
        """Say what `--dry-run` has found."""
        found = {
            "url": page.url,
            "status": page.response.status_code,
            "scheme": self.scheme_of(page),
            "items": f"{len(page.items)}, at {page.items_path or 'the top of the body'}",
            "answer": self.answer(page),
            "next": self.following(page),
            "total": "not told" if page.total is None else page.total,
        }
        clean = self.session.clean
        lines = [f"{name + ':':8} {clean(one_line(str(value)))}\n" for name, value in found.items()]
        await self.out.write("".join(lines).encode(errors="backslashreplace"))

    def scheme_of(self, page: Page[str]) -> str:
        if self.options.next is not None:
            return f"{self.options.next.text}, as given"
        if page.scheme is None:
            return "none detected"
        form = schemes.form_of(repr(page.scheme))
        return "page, since nothing says how to continue" if form == "page" else f"{form}, detected"

    def answer(self, page: Page[str]) -> str:
        """Whether there is more, and what says so."""
        answer, sign = page.answer, page.sign
        if answer != "unknown":
            words = {"more": "more", "end": "the end"}[answer]
            return f"{words}, since {sign}" if sign else words
        if page.next is None:
            return "nothing says whether there is more"
        sent = page.next.get("params")
        asked = f"?{urlencode(sent)}" if sent else json.dumps(page.next)
        what = "page numbers are tried" if self.options.next is None else "the next page is tried"
        return f"nothing says; {what}: {asked}"

    def following(self, page: Page[str]) -> str:
        if page.error is not None:
            return f"unknown: {bare_message(page.error).removeprefix(f'page 1 of {page.url}: ')}"
        return "none" if page.next is None else json.dumps(page.next)


PASSED_ON = (
    "method",
    "items",
    "max_items",
    "max_pages",
    "max_empty",
    "max_page_bytes",
    "same_origin",
    "prefetch",
    "concurrency",
    "dedupe",
    "max_retry_after",
)
"""Options that are arguments of `fetch_all_pages` under the same name."""

EXCLUSIVE = {
    "resume": ("slurp", "csv", "dry_run"),
    "csv": ("slurp", "dry_run"),
    "slurp": ("dry_run",),
}
