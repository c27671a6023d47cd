"""A real HTTP server on loopback, for tests of sources on the web.

It answers as a function says, misbehaves as another says, and records every request, so that a
test can count what was asked for. It listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request that the server got.

    Attributes:
        number: How many requests came before it.
        path: The path as it was sent, without query.
        query: The values of the query.
        headers: Names in lower case.
        body: What was posted.
    """

    number: int
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def parts(self) -> list[str]:
        """The path's parts, unquoted."""
        return [unquote(part) for part in self.path.split("/")[1:]]


@dataclass(frozen=True)
class Answer:
    """What the server answers.

    Attributes:
        headers: Added to those that the server sets.
        cut_at: Close the connection after so many bytes of the body.
        delay: Seconds before the answer begins.
        trickle: Seconds between the body's pieces of 512 bytes; 0 sends it at once.
        length: What to claim as Content-Length, if not the truth; negative to claim none.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    delay: float = 0.0
    trickle: float = 0.0
    length: int | None = None


Respond = Callable[[Request], Answer]
Misbehave = Callable[[Request], Answer | None]


class LoopbackServer:
    """Runs in a thread while it is entered as a context.

    Args:
        respond: Gives the answer to a request.
        misbehave: Gives another answer in its place, or ``None``.

    Attributes:
        requests: All requests, in the order in which they came.
        url: ``http://127.0.0.1:PORT``.
    """

    def __init__(self, respond: Respond, misbehave: Misbehave = lambda _: None) -> None:
        self.respond = respond
        self.misbehave = misbehave
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Records a request and returns the answer to it."""
        parts = urlsplit(target)
        with self._lock:
            request = Request(
                len(self.requests), method, parts.path, parse_qs(parts.query), headers, body
            )
            self.requests.append(request)
        wrong = self.misbehave(request)
        return self.respond(request) if wrong is None else wrong

    def count(self, path: str) -> int:
        """Returns how often a path was asked for."""
        return sum(request.path == path for request in self.requests)


def file_answer(
    request: Request, content: bytes, content_type: str, etag: str = '"one"', trickle: float = 0.0
) -> Answer:
    """Answers with a file, or the part of it that a Range header asks for."""
    headers = {"Content-Type": content_type, "ETag": etag, "Accept-Ranges": "bytes"}
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return Answer(200, content, headers, trickle=trickle)
    first = int(match[1])
    if first >= len(content):
        return Answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
    return Answer(206, content[first:], headers, trickle=trickle)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Threads of connections that clients keep open are not waited for.
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: LoopbackServer) -> None:
        self.owner = owner
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def handle(self) -> None:
        """Serves a connection until the client is done with it, or hangs up."""
        with suppress(ConnectionError):
            super().handle()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.owner.answer(self.command, self.path, headers, body)
        time.sleep(answer.delay)
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        length = len(answer.body) if answer.length is None else answer.length
        if length >= 0:
            self.send_header("Content-Length", str(length))
        else:
            self.close_connection = True
        self.end_headers()
        body = answer.body if answer.cut_at is None else answer.body[: answer.cut_at]
        if answer.trickle:
            for start in range(0, len(body), 512):
                self.wfile.write(body[start : start + 512])
                time.sleep(answer.trickle)
        else:
            self.wfile.write(body)
        if answer.cut_at is not None or length > len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""
