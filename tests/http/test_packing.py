"""Bodies that are packed: unpacked in pieces, known to be cut, however often they are packed."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from clients import Reply, Server
from splits import one_by_one

from anystream import Retry, Stream
from anystream.http import BodyCutError, BodyDataError, RecordSizeError, fetch_all_pages, lines, sse
from anystream.http._packing import PACKED, Packing, Unpacker


def text(*chunks: bytes | Exception, **options: Any) -> Reply:
    return Reply(*chunks, kind="text/plain", **options)


def from_reply(library: Any, reply: Reply, **options: Any) -> Stream[str]:
    return lines("http://test/", client=Server(library, [reply]).client, **options)


PLAIN = b"".join(b"line %d\n" % number for number in range(50))
LINES = PLAIN.decode().split()[1::2]


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": (" X-GZip ", gzip.compress),
    "two parts": ("gzip", lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:])),
    "padded": ("gzip", lambda data: gzip.compress(data) + bytes(50)),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare),
}


@pytest.mark.parametrize("name", PACKERS)
async def test_a_packed_body(library: Any, name: str) -> None:
    coding, pack = PACKERS[name]
    packed = pack(PLAIN)
    for chunks in ([packed], one_by_one(packed)):
        reply = text(*chunks, content_encoding=coding)
        got = await from_reply(library, reply).map(lambda line: line.split()[1]).collect()
        assert got == LINES


async def test_a_packed_body_comes_as_it_is_sent(library: Any) -> None:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = packer.compress(b"a\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress(b"b\n") + packer.flush()
    async with from_reply(library, text(first, rest, pause=1, content_encoding="gzip")) as items:
        start = anyio.current_time()
        assert (await anext(items), anyio.current_time() - start) == ("a", 1)
        assert (await anext(items), anyio.current_time() - start) == ("b", 2)


@pytest.mark.parametrize("name", ["gzip", "two parts", "deflate", "bare deflate"])
async def test_a_packed_body_that_is_cut_anywhere(library: Any, name: str) -> None:
    coding, pack = PACKERS[name]
    packed = pack(PLAIN)
    whole = len(gzip.compress(PLAIN[:100])) if name == "two parts" else None
    for length in {0, 1, 2, 15, len(packed) // 2, len(packed) - 5, len(packed) - 1} - {whole}:
        reply = text(packed[:length], content_encoding=coding)
        with pytest.raises(BodyCutError, match="http://test/: the packed body is cut short"):
            await from_reply(library, reply).drain()


@pytest.mark.parametrize("name", ["gzip", "deflate", "bare deflate"])
def test_a_cut_is_noticed_at_every_byte(name: str) -> None:
    coding, pack = PACKERS[name]
    packed = pack(PLAIN)
    for length in range(len(packed)):
        unpacker = Unpacker(PACKED[coding], "a test")
        assert PLAIN.startswith(b"".join(unpacker.feed(packed[:length])))
        with pytest.raises(BodyCutError):
            unpacker.end()


async def test_the_lines_before_the_cut_come(library: Any) -> None:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = packer.compress(b"a\nb\nc") + packer.flush(zlib.Z_SYNC_FLUSH)
    got: list[str] = []
    with pytest.raises(BodyCutError):
        await from_reply(library, text(first, content_encoding="gzip")).for_each(got.append)
    assert got == ["a", "b"]


@pytest.mark.parametrize("extra", [b"x", b"\0\0xyz"])
async def test_a_body_that_is_not_what_it_says(library: Any, extra: bytes) -> None:
    for packed in (extra * 20, gzip.compress(PLAIN) + extra * 20):
        with pytest.raises(
            BodyDataError, match="http://test/: the body cannot be unpacked: Error -3"
        ):
            await from_reply(library, text(packed, content_encoding="gzip")).drain()


async def test_an_empty_body_is_not_packed(library: Any) -> None:
    reply = text(content_encoding="gzip", content_length="0")
    assert await from_reply(library, reply).collect() == []


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 205)])
async def test_a_response_without_a_body_is_not_cut(library: Any, method: str, status: int) -> None:
    reply = text(status=status, content_encoding="gzip", content_length="26")
    assert await from_reply(library, reply, method=method).collect() == []


@pytest.mark.parametrize("read", [sse, fetch_all_pages])
async def test_no_content_is_not_packed(library: Any, read: Any) -> None:
    server = Server(library, [text(status=204, content_encoding="gzip")])
    assert await read("http://test/", client=server.client).collect() == []


async def test_other_codings_are_left_to_the_client(library: Any) -> None:
    assert await from_reply(library, text(b"a\n", content_encoding="identity")).collect() == ["a"]
    packed = gzip.compress(b"a\n")
    for coding in ("x-unknown, gzip", "gzip, x-unknown"):  # which httpx passes over
        reply = text(packed, content_encoding=coding)
        assert await from_reply(library, reply).collect() == ["a"]


def test_a_small_body_that_unpacks_to_a_long_one_comes_in_pieces() -> None:
    for size in (65_536 * 3, 10_000_000):
        unpacker = Unpacker(PACKED["gzip"], "a test")
        pieces = [*map(len, unpacker.feed(gzip.compress(b"x" * size)))]
        assert max(pieces) == 65_536
        assert sum(pieces) == size
        unpacker.end()


def test_what_has_come_is_unpacked_to_its_last_byte() -> None:
    """Also where a piece is full just when the bytes are used up, and zlib holds more."""
    for size in range(65_600, 66_600, 50):
        packed = gzip.compress(b"x" * size)
        for length in range(len(packed) - 20, len(packed)):
            whole = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(packed[:length])
            pieces = Unpacker(PACKED["gzip"], "a test").feed(packed[:length])
            assert sum(map(len, pieces)) == len(whole)


# -- packed several times -----------------------------------------------------------------------


def several(codings: str, data: bytes) -> bytes:
    for coding in codings.split(", "):
        data = (gzip.compress if coding == "gzip" else zlib.compress)(data)
    return data


CODINGS = ["gzip, gzip", "gzip, deflate", "deflate, gzip", "gzip, deflate, gzip, gzip, deflate"]


@pytest.mark.parametrize("codings", CODINGS)
async def test_a_body_that_is_packed_several_times(library: Any, codings: str) -> None:
    packed = several(codings, PLAIN)
    for chunks in ([packed], one_by_one(packed)):
        reply = text(*chunks, content_encoding=f"identity, {codings.upper()} ,")
        got = await from_reply(library, reply).map(lambda line: line.split()[1]).collect()
        assert got == LINES


@pytest.mark.parametrize("codings", CODINGS)
async def test_each_layer_is_known_to_be_whole(library: Any, codings: str) -> None:
    outer, _, rest = codings.rpartition(", ")
    inner = several(outer, PLAIN)[:-1]
    for packed in (several(codings, PLAIN)[:-1], several(rest, inner)):
        with pytest.raises(BodyCutError, match="http://test/: the packed body is cut short"):
            await from_reply(library, text(packed, content_encoding=codings)).drain()


async def test_the_layers_are_limited(library: Any) -> None:
    server = Server(library, [text(b"x", content_encoding=", ".join(["gzip"] * 6))])
    with pytest.raises(
        BodyDataError, match="the body is packed 6 times, and at most 5 are unpacked"
    ):
        await lines("http://test/", client=server.client).drain()
    assert server.open == 0


def bomb(size: int, layers: int) -> bytes:
    """Zeros, packed again and again, without ever holding them."""
    piece = bytes(65_536)
    packers = [zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS) for _ in range(layers)]
    found = b""
    for number in range(size // len(piece) + 1):
        last = number == size // len(piece)
        data = b"" if last else piece
        for packer in packers:
            data = packer.compress(data) + (packer.flush() if last else b"")
        found += data
    return found


async def test_a_bomb_costs_no_more_than_its_limit(library: Any) -> None:
    packed = bomb(200_000_000, 2)
    assert len(packed) < 5_000
    reply = text(packed, content_encoding="gzip, gzip")
    tracemalloc.start()
    try:
        with pytest.raises(RecordSizeError, match="longer than 100000 bytes"):
            await from_reply(library, reply, max_line=100_000).drain()
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_parts_without_contents_do_not_take_long_at_a_time() -> None:
    """A consumer that looks at the clock between two pieces has to get its chance."""
    empty = gzip.compress(b"")
    pieces = Packing([PACKED["gzip"]] * 2, "a test").feed(gzip.compress(empty * 100))
    assert [*pieces].count(b"") >= 100


async def test_a_cut_body_of_events_is_asked_for_again(library: Any) -> None:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = packer.compress(b"id: 1\ndata: a\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    server = Server(library, [Reply(first, content_encoding="gzip"), Reply(status=204)])
    stream = sse("http://test/", client=server.client, retry=Retry(first=1))
    assert [event.data for event in await stream.collect()] == ["a"]
    assert server.ids == [None, "1"]
