"""Every open pipeline of the process as it runs, in a terminal and in a browser.

`runs` keeps what is open, by an observer; `terminal` and `web` show it, and `serving` is a server,
beside which `program` runs a function for the command. Nothing is kept or shown before `watching`
is entered.
"""

from .runs import watching
from .serving import serve
from .terminal import table, terminal
from .web import app

__all__ = ["app", "serve", "table", "terminal", "watching"]
