"""A server in a thread that gives one answer to every request, also over TLS or as a proxy.

With a function in the place of the body it answers what that gives for the request: the status,
more headers, the body.
"""

import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Headers = dict[str, str]
Asked = tuple[str, str, Headers, bytes]
Reply = tuple[int, Headers, bytes]


@dataclass
class Small:
    """What it answers, and what it was asked: the method, the target, the headers, the body."""

    body: bytes | Callable[[Asked], Reply] = b""
    kind: str = "application/json"
    status: int = 200
    reason: str | None = None  # the usual one of the status
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(small: Small, context: ssl.SSLContext | None = None) -> Generator[Small, None, None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            small.asked.append((self.command, self.path, headers, body))
            content, more, status = small.body, Headers(), small.status
            if not isinstance(content, bytes):
                status, more, content = content(small.asked[-1])
            self.send_response(status, small.reason)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Type", small.kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_CONNECT = answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        small.url = f"http{'s' * (context is not None)}://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield small
        finally:
            server.shutdown()
            thread.join()
