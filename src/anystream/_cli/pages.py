"""`anystream pages`: every item of a paginated API, one line each."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .. import Retry
from . import clients, schemes, shown
from .endings import CommandError, UsageError, bare_message, one_line
from .resume import Resume, open_output
from .secrets import Secrets, credentials, without_user
from .session import Session

if TYPE_CHECKING:
    from .. import Stream
    from ..http import Page, PageStream

FIRST = 0.5
"""Seconds of the first pause before a request is repeated."""


def run(options: Namespace) -> int:
    """Run the command, and give its exit code."""
    secrets = Secrets()
    session = Session(secrets, verbose=options.verbose)
    try:
        check(options)
        headers = clients.headers(options, credentials(options, options.url, secrets))
        resume = resumption(options) if options.resume else None
        if resume is not None and resume.done:
            session.say(f"{resume.path} says that all is done; remove it to begin anew")
            return 0
        with ExitStack() as stack:
            code = Pages(options, session, headers, resume).run(stack)
    except CommandError as exc:
        return session.tell(exc)
    return session.end(code)


def check(options: Namespace) -> None:
    """What no option can know by itself."""
    options.method = options.method or ("GET" if options.data is None else "POST")
    for name in ("slurp", "dry_run"):
        if getattr(options, name) and options.resume:
            raise UsageError(f"argument --resume: not allowed with --{name.replace('_', '-')}")
    kind = options.next.kind if options.next else None
    only = {
        "--total-pages": (options.total_pages, ("page",)),
        "--end-status": (options.end_status, ("page",)),
        "--total": (options.total, ("page", "offset")),
    }
    for name, (value, kinds) in only.items():
        if value and kind not in kinds:
            raise UsageError(f"argument {name}: only with --next {' or --next '.join(kinds)}")
    countable = (kind == "page" and options.total_pages) or (kind == "offset" and options.total)
    if options.concurrency > 1 and not countable:
        raise UsageError(
            "argument --concurrency: needs --next page with --total-pages, or --next offset with"
            " --total, to know all pages beforehand"
        )
    if options.page_size and options.page_size[0] is None and kind is None:
        raise UsageError("argument --page-size: without --next it must be PARAM=N")


def resumption(options: Namespace) -> Resume:
    how = options.next.text if options.next else None
    asked = [options.method, options.data, options.query, how, options.items, options.dedupe]
    return Resume(options.resume, "pages", options.url, asked)


class Pages:
    """The pages that the options ask for, and what becomes of them."""

    def __init__(
        self, options: Namespace, session: Session, headers: dict[str, str], resume: Resume | None
    ) -> None:
        self.options = options
        self.session = session
        self.headers = headers
        self.resume = resume
        self.count = shown.Count()

    def run(self, stack: ExitStack) -> int:
        options = self.options
        self.stream()  # complains now about what does not go together, before a file is touched
        self.out = open_output(stack, options.output, self.resume)
        return self.session.run(self.write, self.out, options.backend)

    # -- what is asked for ------------------------------------------------------------------

    def stream(self, client: Any = None) -> PageStream[Any]:
        from ..http import fetch_all_pages

        options = self.options
        param, size = options.page_size or (None, None)
        query = list(options.query)
        if param and options.next is None:
            query.append((param, str(size)))
            size = None
        try:
            return fetch_all_pages(
                clients.with_query(without_user(options.url), query),
                client=client,
                next=options.next and self.scheme(param),
                items=options.items,
                headers=self.headers,
                method=options.method,
                json=options.data,
                page_size=size,
                max_items=options.max_items,
                max_pages=1 if options.dry_run else options.max_pages,
                prefetch=0 if options.dry_run else options.prefetch,
                concurrency=options.concurrency,
                rate=options.rate and options.rate[0] / options.rate[1],
                dedupe=options.dedupe,
                retry=Retry(times=options.retries, first=FIRST, cap=60.0, hook=self.count_retry),
                retry_methods=("GET", "HEAD", "POST") if options.retry_post else ("GET", "HEAD"),
                max_retry_after=options.max_retry_after,
                allow_origins=tuple(options.allow_origin),
                resume_from=None if self.resume is None else self.resume.state,
                texts=True,
            )
        except (TypeError, ValueError) as exc:
            raise UsageError(str(exc)) from exc

    def scheme(self, page_size: str | None) -> Any:
        options = self.options
        return schemes.build(
            options.next,
            total_pages=options.total_pages and schemes.place(options.total_pages),
            total=options.total and schemes.place(options.total),
            end_statuses=tuple(options.end_status),
            page_size=page_size,
        )

    def count_retry(self, number: int, error: Exception, pause: float) -> None:
        self.count.retried(pause)
        self.session.tell_retry(number, error, pause)

    # -- what becomes of it -----------------------------------------------------------------

    async def write(self) -> None:
        take = self.describe if self.options.dry_run else self.take
        if self.options.slurp:
            await self.out.write(b"[\n")
        async with (
            clients.client(self.options.timeout) as client,
            self.shown(self.stream(client).by_page()) as pages,
        ):
            async for page in pages:
                await take(page)
        if self.options.slurp:
            await self.out.write(b"]\n")

    def shown(self, pages: Stream[Page[str]]) -> Stream[Page[str]]:
        if not shown.wanted(self.options.progress, self.options.output):
            return pages
        return shown.line(pages, self.session, self.count, "items")

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
        if not texts:
            return b""
        if not self.options.slurp:
            return ("\n".join(texts) + "\n").encode()
        # The comma begins a line, so that what has been written always ends with a whole one.
        first = "," if self.count.items else ""
        return (first + "\n,".join(texts) + "\n").encode()

    def save(self, page: Page[str]) -> None:
        if self.resume is not None:
            state = page.state
            self.resume.save(state, done=state["step"] is None)

    async def describe(self, page: Page[str]) -> None:
        """Say what `--dry-run` has found."""
        found = {
            "url": page.url,
            "status": page.response.status_code,
            "scheme": self.scheme_of(page),
            "items": f"{len(page.items)}, at {page.items_path or 'the top of the body'}",
            "next": self.following(page),
            "total": "not told" if page.total is None else page.total,
        }
        clean = self.session.secrets.clean
        lines = [f"{name + ':':8} {clean(one_line(str(value)))}\n" for name, value in found.items()]
        await self.out.write("".join(lines).encode(errors="backslashreplace"))

    def scheme_of(self, page: Page[str]) -> str:
        if self.options.next is not None:
            return f"{self.options.next.text}, as given"
        if page.scheme is None:
            return "none detected"
        form = schemes.form_of(page.scheme)
        return f"{form}, detected" if form != "page" else "page, since nothing says how to go on"

    def following(self, page: Page[str]) -> str:
        if page.error is not None:
            return f"unknown: {bare_message(page.error).removeprefix(f'page 1 of {page.url}: ')}"
        return "none, this is the last page" if page.next is None else json.dumps(page.next)
