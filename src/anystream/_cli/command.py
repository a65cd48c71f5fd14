"""What `anystream pages`, `sse` and `lines` have in common: a request, an output, a run."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .. import Retry
from ..http import IncompleteWarning
from . import clients, shown
from .endings import CommandError
from .inputs import STDIN
from .output import unless_same
from .resume import Resume, open_output
from .secrets import Secrets, credentials, is_credential, without_user
from .session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Generator

    from .. import Stream

T = TypeVar("T")


class Command(ABC):
    """One run: `main` plays it. `noun` is what it counts, `first` the seconds of a first pause,
    `longest` those of the longest one."""

    noun: ClassVar[str]
    first: ClassVar[float]
    longest: ClassVar[float]
    resume: Resume | None = None
    url = ""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.session = Session(Secrets(), verbose=options.verbose)
        self.count = shown.Count()
        self.stack = ExitStack()

    def main(self) -> int:
        """Run the command, and give its exit code."""
        try:
            with self.stack, self.told():
                code = self.run()
        except CommandError as exc:
            return self.session.tell(exc)
        return self.session.end(code)

    def run(self) -> int:
        self.prepare()
        if self.resume is not None and self.resume.done:
            path = self.resume.path
            self.session.say(f"{path} says that all is done; remove it to begin again")
            return 0
        self.out = open_output(self.stack, self.options.output, self.resume)
        return self.session.run(self.write, self.out, self.options.backend)

    @abstractmethod
    def prepare(self) -> None:
        """Complain now of what cannot work, before a file is touched."""

    @abstractmethod
    async def write(self) -> None:
        """Write all there is."""

    @contextmanager
    def told(self) -> Generator[None, None, None]:
        """While this is open, a warning about missing items is a line on standard error."""

        def tell(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            if issubclass(category, IncompleteWarning):
                self.session.say(str(message))
            else:
                show(message, category, *rest)

        with warnings.catch_warnings():
            show = warnings.showwarning
            warnings.simplefilter("always", IncompleteWarning)
            warnings.showwarning = tell  # type: ignore[assignment]
            yield

    # -- the request ------------------------------------------------------------------------

    def request(self, url: str) -> None:
        options, secrets = self.options, self.session.secrets
        for option, name in options.inputs.files:
            unless_same(options.output, 0 if name == STDIN else name, f"the file of {option}")
        options.method = clients.method(options)
        self.headers = clients.headers(options, credentials(options, url, secrets))
        self.url = clients.with_query(without_user(url), options.query)
        self.session.proxy = lambda: clients.proxy_for(options, url)

    def resumption(self, *asked: object) -> Resume | None:
        """The state in the file of `--resume`, for a run that asks for this."""
        options = self.options
        if not options.resume:
            return None
        unless_same(options.output, options.resume, "the file of --resume")
        query = [
            (name, "" if is_credential(name, value) else value) for name, value in options.query
        ]
        return Resume(options.resume, options.command, options.url, [query, *asked])

    def retry(self) -> Retry:
        def hook(number: int, error: Exception, pause: float) -> None:
            self.count.retried(pause)
            self.session.tell_retry(number, error, pause)

        return Retry(times=self.options.retries, first=self.first, cap=self.longest, hook=hook)

    def shown(self, stream: Stream[T]) -> Stream[T]:
        """The stream, with a line of progress if it is wanted."""
        if not shown.wanted(self.options.progress, self.options.output):
            return stream
        return shown.line(stream, self.session, self.count, self.noun)
