"""What a body says went wrong, although it has come with a status of success."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..._labels import visible
from .._errors import PageDataError
from .._refusals import FIELDS, said_in
from .page import elements, is_object, lookup, whole

ERRORS = (
    *("error", "errors", "Error", "Errors", "fault", "Fault", "exception", "Exception"),
    *("hasError", "hasErrors", "has_error", "has_errors", "isError", "is_error"),
    *("error_message", "errorMessage", "ErrorMessage", "error_description"),
    *("errcode", "errCode", "error_code", "errorCode", "ErrorCode", "errno"),
    *("meta.error", "meta.errors", "meta.error_code", "meta.errorCode", "status.error_code"),
    *("timed_out", "_shards.failed"),  # as Elasticsearch has them
)
"""Where an error stands, if the value does not say that there is none."""

STATUSES = (
    *("status", "Status", "stat", "code", "Code", "statusCode", "status_code", "result"),
    *("meta.code", "meta.status", "status.code", "status.status"),
)
"""Where a body says how it went."""

FLAGS = ("ok", "success", "Success", "isSuccess", "succeeded")
"""Where it says whether all went well."""

NONE = re.compile(r"|0+(\.0+)?|A0+|200|false|none|null|ok|success|no([ _]?errors?)?", re.IGNORECASE)
"""What says, as an error, that there is none."""

FINE = re.compile(r"0+|200|ok|success|completed?|done", re.IGNORECASE)
"""What says, as a status, that all went well."""

BAD = {
    *("error", "errors", "fail", "failed", "failure", "failures", "false", "invalid", "denied"),
    *("limit", "limited", "exceeded", "throttled", "throttling", "timeout", "unavailable"),
    *("unauthorized", "forbidden"),
}
"""Words of a status that say the opposite."""

WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

BESIDE = {
    *FIELDS,
    *STATUSES,
    *FLAGS,
    "type",
    "path",
    "timestamp",
    "request_id",
    "documentation_url",
}
"""Members of a body that is nothing but a report of what went wrong."""


def failure(data: Any, path: object, request: Any) -> str | None:
    """What a body without items says is wrong, if it does; `path` is where the items should be.

    A value that repeats a parameter of the request says nothing of the response.
    """
    asked = request.url.params
    for part in around(data, path):
        for name in ERRORS:
            value = lookup(part, name)
            if asked.get(name) != str(value) and is_error(value):
                return f"the server says {name!r}: {reason(part)}"
    for name in (*STATUSES, *FLAGS):
        value = lookup(data, name)
        if asked.get(name) != str(value) and is_bad(value):
            return f"the server says that the {name} is {value!r}: {reason(data)}"
    return None


def around(data: Any, path: object) -> Iterator[Any]:
    """The body, and the objects in it that lead to the items."""
    yield data
    at = path if isinstance(path, str) else ""
    while "." in at:
        at = at.rpartition(".")[0]
        yield lookup(data, at)


def is_error(value: Any) -> bool:
    """Whether a value under the name of an error tells of one."""
    if is_object(value):
        if value.get("code") is None:
            return any(value.values())
        value = value["code"]  # TikTok sends {"code": "ok"} where there is none
    if elements(value):
        return any(value)
    return isinstance(value, str | int | float) and not NONE.fullmatch(str(value).strip())


def is_bad(value: Any) -> bool:
    """Whether a value that says how it went says that it went wrong."""
    number = whole(value)
    if number is not None:
        return 400 <= number < 600
    return isinstance(value, str | bool) and not BAD.isdisjoint(words(str(value)))


def words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def outcome(data: Any) -> dict[str, str]:
    """What a body says of how it went, by the places."""
    values = {name: lookup(data, name) for name in STATUSES}
    return {name: str(each) for name, each in values.items() if isinstance(each, str | int)}


def is_fine(data: Any) -> bool:
    """Whether a body says that all went well."""
    return any(map(FINE.fullmatch, outcome(data).values())) or any(
        lookup(data, name) in (True, "true") for name in FLAGS
    )


class Outline:
    """What a body with the list has beside it, and says of how it went.

    One without the list is a page only if it has some of that, and says the same.
    """

    def __init__(self, names: Iterable[str], outcome: dict[str, str]) -> None:
        self.names: frozenset[str] = frozenset(names)
        self.outcome = outcome

    def fits(self, data: Any, path: object) -> bool:
        said = outcome(data).items()
        changed = any(self.outcome.get(name, each) != each for name, each in said)
        strange = any(self.names.isdisjoint(part) for part in objects(data, path))
        return not strange and (not changed or is_fine(data))


def outlined(data: Any, path: object) -> Outline:
    """The outline of a body that has the list at this path."""
    return Outline((name for part in objects(data, path) for name in part), outcome(data))


def objects(data: Any, path: object) -> Iterator[dict[str, Any]]:
    """The body and the objects in it that lead to the items, but for empty ones."""
    return (part for part in around(data, path) if is_object(part) and part)


def is_report(data: dict[str, Any]) -> bool:
    """Whether a body is nothing but a report of what went wrong."""
    said = said_in(data)
    return data.keys() <= BESIDE and bool(said) and not FINE.fullmatch(said) and not is_fine(data)


def reason(data: Any) -> str:
    """What the server says is wrong, on one line."""
    return visible(said_in(data).strip()[:200]) or "no reason is given"


def check_success(data: Any, response: Any, number: int) -> None:
    """Raise if a body with a status of success says that it is none."""
    if not is_object(data):
        return
    for name in ("ok", "success"):
        if data.get(name) is False:
            raise PageDataError(f"the server says {name}: false: {reason(data)}", response, number)
