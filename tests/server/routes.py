"""Which function answers a request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from anystream._cli.server import routes
from anystream._cli.server.http import TEXT, Answer, Request, as_json

from . import live
from .big import big
from .faults import Fault, Faults
from .pages import SCHEMES, Turning

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NOT_IMPLEMENTED = Answer(status=HTTPStatus.NOT_IMPLEMENTED, headers=(TEXT,))  # for HEAD as well
_NOT_FOUND = as_json({"error": "no such path"}, HTTPStatus.NOT_FOUND)


@dataclass(frozen=True)
class _Plain:
    """A route whose content knows nothing of faults."""

    content: Callable[[Request], Answer]
    page: Callable[[Request], int] | None = None
    methods: tuple[str, ...] = ("GET",)

    def answer(self, request: Request, fault: Fault | None) -> Answer:
        return self.content(request)


_PLAIN: Mapping[str, _Plain] = {
    "/users": _Plain(routes.users, routes.page_of),
    "/users/slow": _Plain(routes.slow, routes.page_of),
    "/big": _Plain(big, routes.page_of),
    "/events": _Plain(live.events),
    "/ndjson": _Plain(routes.ndjson),
    "/lines": _Plain(live.lines),
    "/seq": _Plain(live.seq),
    "/echo": _Plain(live.echo, methods=_METHODS),
}
_ROUTES: Mapping[str, _Plain | Turning] = {**_PLAIN, **SCHEMES}


def answer_to(request: Request, faults: Faults, other: str | None) -> Answer:
    """The answer to a request; `other` is the origin that it may lead to by mistake."""
    try:
        if request.method not in _METHODS:
            return _NOT_IMPLEMENTED
        route = _ROUTES.get(request.path)
        if route is None:
            return _NOT_FOUND
        if request.method not in route.methods:
            return _NOT_IMPLEMENTED
        fault = faults.due(request, route.page, other)
        answer = route.answer(request, fault)
        return fault.spoil(request, answer) if fault else answer
    except ValueError as error:
        return as_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
