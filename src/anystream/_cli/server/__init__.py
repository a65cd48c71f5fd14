"""A small HTTP/1.1 server on the loopback interface, for the demo and for first tries of a command.

It keeps connections alive, and runs on asyncio and on trio. `serving` opens and closes it, `http`
speaks the protocol, and `routes` has what it answers. Beside it a plain TCP socket sends a few
pieces of bytes and closes.
"""

from .serving import Server, serve

__all__ = ["Server", "serve"]
