"""Responses that own a stream: ASGI applications, and responses of Starlette where it is installed.

`encoding` makes bytes of items, an `Exchange` sends them, and `responses` has the public classes.
"""

from .responses import EventResponse, JSONLinesResponse, StreamResponse

__all__ = ["EventResponse", "JSONLinesResponse", "StreamResponse"]
