"""Importing the package in the places where people do, with nothing but anyio installed.

The module for tests needs pytest, too, and trio only on trio.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import anystream

SOURCE = Path(anystream.__file__).parents[1]

BLOCK = (
    "import sys; sys.modules.update(dict.fromkeys(['trio', 'httpx', 'rich', 'h11', 'coredis']))\n"
)
# anyio itself imports trio only for its own trio backend.

PLACES = {
    "plain": BLOCK + "import anystream, anystream.http, anystream.redis",
    "asyncio": BLOCK
    + """
import asyncio
async def main():
    import anystream, anystream.http
    assert await anystream.async_range(3).map(str).collect() == ["0", "1", "2"]
asyncio.run(main())
""",
    "trio": """
import trio
async def main():
    import sys
    sys.modules.update(dict.fromkeys(["httpx", "rich", "h11"]))
    import anystream, anystream.http
    assert await anystream.async_range(3).map(str).collect() == ["0", "1", "2"]
trio.run(main)
""",
    "testing": BLOCK
    + """
import anystream.testing
from anystream import Stream
from anystream.testing import Deadlock, LeakWatch, TrackedSource, backend, cancel_everywhere
async def program():
    with LeakWatch() as watch:
        source = TrackedSource(range(3))
        assert await Stream(source.iterator).buffer(1).collect() == [0, 1, 2]
        assert not await watch.leaks()
assert cancel_everywhere(program) == cancel_everywhere(program, backends=["asyncio"]) > 0
assert cancel_everywhere(program, anywhere=True) > 0
""",
}


@pytest.mark.parametrize("place", PLACES)
def test_import(place: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", PLACES[place]], check=True)


def test_the_client_of_redis_is_imported_when_a_stream_is_opened() -> None:
    code = """
import sys
from anystream import redis
orders = redis.group("orders", group="billing")
assert "coredis" not in sys.modules
sys.modules["coredis"] = None
for make in (lambda: redis.group("orders", group="billing"), lambda: redis.sink("orders")):
    try:
        make()
    except ImportError as error:
        assert str(error).endswith("needs coredis (pip install 'anystream[redis]')"), error
    else:
        raise AssertionError
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("starlette", ["None", "__import__('starlette')"])
def test_the_responses_are_those_of_starlette_if_that_is_there(starlette: str) -> None:
    code = f"""
import sys
sys.modules.update(trio=None, httpx=None, starlette={starlette})
import anyio
from anystream.asgi import EventResponse
bases = [kind.__module__.partition(".")[0] for kind in EventResponse.__mro__]
assert ("starlette" in bases) == (sys.modules["starlette"] is not None), bases
async def receive():
    await anyio.sleep_forever()
async def send(message):
    sent.append(message.get("body"))
sent = []
anyio.run(EventResponse(["a"]), {{"type": "http", "method": "GET", "headers": []}}, receive, send)
assert sent == [None, b"data: a\\n\\n", b""], sent
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_import_loads_no_backend() -> None:
    code = """
import sys
import anyio
before = set(sys.modules)
import anystream, anystream.http
new = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not new & {"trio", "httpx", "asyncio", "rich", "h11", "pytest", "_pytest"}, new
assert "anystream.testing" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "other"),
    [("sse", "pages"), ("fetch_all_pages", "bodies"), ("PageStatusError", "pages")],
)
def test_a_name_of_http_is_imported_when_it_is_asked_for(name: str, other: str) -> None:
    code = f"""
import sys
from anystream.http import {name}
assert "anystream.http.{other}" not in sys.modules
import anystream.http
assert anystream.http.{name} is {name}
assert {{*anystream.http.__all__}} <= {{*dir(anystream.http)}}
assert not hasattr(anystream.http, "nothing")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_of_the_module_for_tests_loads_neither_trio_nor_pytest() -> None:
    """The demo looks for what is left open without a pytest."""
    code = """
import sys
import anystream.testing
assert "pytest" not in sys.modules and "trio" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


IN_A_ZIP_FILE = """
import anyio, anystream, httpx
from anystream import watch

assert ".zip" in anystream.__file__
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(watch.app)) as client:
        return (await client.get("http://example.com/")).text
for name in ("asyncio", "trio"):
    assert anyio.run(main, backend=name).startswith("<!doctype html>")
"""


def test_the_package_may_be_in_a_zip_file(tmp_path: Path) -> None:
    """As by zipapp, or where an application is frozen: its page is not a file of its own there."""
    archive = shutil.make_archive(str(tmp_path / "made"), "zip", SOURCE, "anystream")
    environment = {**os.environ, "PYTHONPATH": archive}
    subprocess.run([sys.executable, "-c", IN_A_ZIP_FILE], check=True, env=environment)
