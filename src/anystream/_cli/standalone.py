"""`anystream demo --serve`: the server by itself, to try commands and programs on."""

import sys

import anyio

from .._core.siblings import bare
from .printing import printing
from .server import serve

WORTH_TRYING = "/users /items?n=100 /ndjson /events?delay=1"


def run_server(backend: str, port: int) -> int:
    """Serve until the process is interrupted, and give the exit code."""
    code = 130
    try:
        try:
            anyio.run(serve_on, port, backend=backend)
        except* KeyboardInterrupt:
            pass
        except* SystemExit as ended:  # the address cannot be printed
            code = int(str(bare(ended)))
    except OSError as error:
        print(f"anystream demo: cannot serve on port {port}: {error}", file=sys.stderr)
        return 1
    return code


async def serve_on(port: int) -> None:
    async with serve(port) as server:
        with printing():
            print(f"serving on {server.url}, try {WORTH_TRYING}")
        await anyio.sleep_forever()
