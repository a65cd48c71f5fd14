"""`anystream demo --serve`: the server by itself, to try commands and programs on."""

import sys

import anyio

from .server import serve

WORTH_TRYING = "/users /items?n=100 /ndjson /events?delay=1"


def run_server(backend: str, port: int) -> int:
    """Serve until the process is interrupted, and give the exit code."""
    try:
        try:
            anyio.run(serve_on, port, backend=backend)
        except* KeyboardInterrupt:
            pass
    except OSError as error:
        print(f"anystream demo: cannot serve on port {port}: {error}", file=sys.stderr)
        return 1
    return 130


async def serve_on(port: int) -> None:
    async with serve(port) as server:
        print(f"serving on {server.url}, try {WORTH_TRYING}", flush=True)
        await anyio.sleep_forever()
