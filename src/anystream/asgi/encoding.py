"""From items to the bytes of a body."""

import json
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, cast

from .. import _labels as label
from ..http.bodies.events import Event

Dumps = Callable[[Any], str | bytes]


def as_bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", item))
    raise TypeError(
        f"StreamResponse sends bytes and str, got {label.value(item)};"
        " EventResponse and JSONLinesResponse send other items"
    )


def compact(item: Any) -> str:
    """JSON as Starlette writes it, and the models of pydantic and dataclasses as objects."""
    return json.dumps(
        item, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain
    )


def plain(value: Any) -> Any:
    """What `json` knows in the place of what it does not."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{label.value(value)} is not JSON: convert it, or pass dumps=")


def as_text(item: Any, dumps: Dumps) -> str:
    """The item as JSON."""
    text = dumps(item)
    return text if isinstance(text, str) else text.decode()


def as_line(item: Any, dumps: Dumps) -> bytes:
    text = as_text(item, dumps)
    if "\n" in text:
        raise ValueError(f"dumps must give one line for each item, got {label.value(text)}")
    return f"{text}\n".encode()


def as_event(item: Any, dumps: Dumps) -> bytes:
    if isinstance(item, str):
        return with_data(item)
    if isinstance(item, bytes):
        return item
    if hasattr(item, "encode"):
        encoded: bytes = item.encode()
        return encoded
    of_fastapi = sys.modules.get("fastapi.sse")
    if of_fastapi is not None and isinstance(item, of_fastapi.ServerSentEvent):
        return from_fastapi(item, dumps, of_fastapi.format_sse_event)
    return with_data(as_text(item, dumps))


def with_data(text: str) -> bytes:
    """A message with this text; an event can hold no other line ends than line feeds."""
    return Event(data=text.replace("\r\n", "\n").replace("\r", "\n")).encode()


def from_fastapi(event: Any, dumps: Dumps, encode: Callable[..., bytes]) -> bytes:
    """FastAPI's `ServerSentEvent`, which its routes encode."""
    data: str | None = event.raw_data
    if data is None and event.data is not None:
        data = as_text(event.data, dumps)
    return encode(
        data_str=data, event=event.event, id=event.id, retry=event.retry, comment=event.comment
    )
