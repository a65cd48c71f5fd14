"""What a request says, as only the routes of the tests want to know it."""

import json
from typing import Any
from urllib.parse import parse_qsl

from anystream._cli.server.http import Request


def fields_of(request: Request) -> dict[str, Any]:
    """What the body says: a JSON object, or a form. `ValueError` if it is neither."""
    if request.headers.get("content-type") == "application/x-www-form-urlencoded":
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    fields: Any = json.loads(request.body)
    if not isinstance(fields, dict):
        raise ValueError("the body must be a JSON object")
    return fields  # pyright: ignore[reportUnknownVariableType]


def url_with(request: Request, **changed: object) -> str:
    """The absolute URL of `target_with`, at the host that the client has asked."""
    host = request.headers.get("host")  # HTTP/1.0 may leave it out
    return (f"http://{host}" if host else "") + request.target_with(**changed)
