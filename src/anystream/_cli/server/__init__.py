"""A small HTTP/1.1 API on the loopback interface: what the demo, the tests and first runs talk to.

It keeps connections alive, and runs on asyncio and on trio. `serving` opens and closes it, `http`
speaks the protocol, `pages` has a route for every way to turn pages, `users` the few that the demo
reads, `live` bodies that arrive bit by bit, `faults` what can go wrong on demand, and `routes`
finds who answers. Beside it a plain TCP socket sends a few pieces of bytes and closes.
"""

from .http import Request
from .serving import PIECES, Server, serve

__all__ = ["PIECES", "Request", "Server", "serve"]
