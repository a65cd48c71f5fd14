"""An HTTP API on the loopback interface with every way to turn pages, and every fault on demand.

It is the server of the demo with more to answer. `serving` opens and closes it, and `routes` finds
who answers: `pages` for each way to turn pages, `live` for bodies that arrive bit by bit, both with
the data of `items`, and `big`; `asking` says more of a request. `faults` is what can go wrong.
"""

from anystream._cli.server.http import Request

from .serving import Server, serve

__all__ = ["Request", "Server", "serve"]
