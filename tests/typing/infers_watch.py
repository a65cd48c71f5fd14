"""What a user's code infers of `anystream.watch`.

Checked by pyright and mypy, never run.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, assert_type

import anyio
from rich.table import Table
from starlette.routing import Mount
from starlette.types import ASGIApp

from anystream.watch import app, serve, table, terminal, watching


async def program() -> None:
    assert_type(watching(), AbstractContextManager[None])
    assert_type(terminal(), AbstractContextManager[None])
    assert_type(table(), Table)
    assert_type(await serve(0), None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)


async def called(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    assert_type(await app(scope, receive, send), None)


mounted: ASGIApp = app
Mount("/pipelines", app)
