"""The bytes of a body as they come in: how they are unpacked, and how reading them is left."""

import zlib
from collections.abc import AsyncGenerator, Iterator
from itertools import chain
from typing import Any

from .._core.driver import EMPTY
from ._clients import request_of
from ._errors import BodyCutError, BodyDataError

PIECE = 65_536
"""Bytes that are unpacked at a time, at most: a small body may unpack to a very long one."""

LAYERS = 5
"""How many times a body may be packed, at most."""

PACKED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The content codings of which we can tell whether they were cut, as zlib knows them."""


WITHOUT_BODY = (204, 205, 304)
"""The statuses that come without a body: RFC 9110, section 15."""


class Unpacker:
    """Unpacks what is packed by gzip or deflate, and knows whether that has come to its end."""

    def __init__(self, form: int, url: str) -> None:
        self.form = form
        self.url = url
        self.head = b""  # until there is enough to tell zlib's own format from the bare one
        self.zlib: Any = None  # which unpacks, once that is known

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that are packed in `data`; some may be empty, so that none takes long."""
        if self.zlib is None:
            self.head = data = self.head + data
            if len(data) < 2:
                return
            self.zlib = self.begin(data)
        try:
            while True:
                if self.zlib.eof:
                    data = data.lstrip(b"\0")  # which may pad it
                    if not data:
                        return
                    self.zlib = self.begin(data)  # the next part: gzip allows for several
                piece = self.zlib.decompress(data, PIECE)
                yield piece
                data = self.zlib.unconsumed_tail or self.zlib.unused_data
                if not data and len(piece) < PIECE:
                    return
        except zlib.error as exc:
            raise BodyDataError(f"the body cannot be unpacked: {exc}", self.url) from None

    def begin(self, data: bytes) -> Any:
        bare = self.form == zlib.MAX_WBITS and (
            data[0] & 15 != zlib.DEFLATED or int.from_bytes(data[:2]) % 31
        )
        return zlib.decompressobj(-zlib.MAX_WBITS if bare else self.form)

    def end(self) -> None:
        if self.zlib is None or not self.zlib.eof:
            raise BodyCutError("the packed body is cut short, so a part is missing", self.url)


class Packing:
    """All that a body is packed in, one layer inside the other; none at all is fine."""

    def __init__(self, forms: list[int], url: str) -> None:
        if len(forms) > LAYERS:
            problem = f"the body is packed {len(forms)} times, and at most {LAYERS} are unpacked"
            raise BodyDataError(problem, url)
        self.layers: list[Unpacker] = [Unpacker(form, url) for form in reversed(forms)]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that are packed in `data`, each made when it is asked for."""
        pieces: Iterator[bytes] = iter((data,))
        if len(data) > PIECE and not self.layers:
            pieces = (data[at : at + PIECE] for at in range(0, len(data), PIECE))
        for layer in self.layers:
            pieces = chain.from_iterable(map(layer.feed, pieces))
        return pieces

    def end(self) -> Iterator[bytes]:
        """Raise if a part is missing; the outermost layer is the one that has been cut, if any."""
        for layer in self.layers:
            layer.end()
        return EMPTY


def is_without_body(response: Any) -> bool:
    """Whether there is none, whatever the headers say of how it would be packed."""
    head = getattr(request_of(response), "method", "") == "HEAD"
    empty = response.headers.get("content-length") == "0"
    return head or empty or response.status_code in WITHOUT_BODY


def forms(response: Any) -> list[int] | None:
    """What a body is packed in, as zlib knows it; None if another coding is among it."""
    if is_without_body(response):
        return None
    codings = response.headers.get("content-encoding", "").lower().split(",")
    names = [name for part in codings if (name := part.strip()) not in ("", "identity")]
    return [PACKED[name] for name in names] if PACKED.keys() >= set(names) else None


def chunks_of(response: Any, url: str) -> tuple[AsyncGenerator[bytes, None], Packing]:
    """The chunks of a body, and what unpacks them.

    A client unpacks as well, but takes a body that has been cut for a whole one, and unpacks a
    chunk at once however long it becomes. What we do not know is left to it all the same.
    """
    packed_in = None if response.is_stream_consumed else forms(response)
    if not packed_in:
        return response.aiter_bytes(), Packing([], url)
    packing = Packing(packed_in, url)
    return response.aiter_raw(), packing
