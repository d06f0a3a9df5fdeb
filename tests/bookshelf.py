"""A web server on loopback with gzipped reviews of the Goodreads files' shape, and whatever can go wrong on the way."""

import gzip
import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GENRES = (
    "children", "comics_graphic", "fantasy_paranormal", "history_biography",
    "mystery_thriller_crime", "poetry", "romance", "young_adult",
)  # fmt: skip
WORDS = ["the", "of", "and", "book", "story", "loved", "hated", "ending", "panel", "verse", "dragon", "war", "kiss"]


@dataclass(frozen=True)
class Fault:
    """What one request meets: another status, headers, a connection that ends after `cut` bytes of the body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    then: Callable[[], None] = lambda: None
    """done when the answer was sent"""


@dataclass
class Bookshelf:
    """The files by path (`/poetry.json.gz`), the faults to come by path, and what was asked and sent so far."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0
    ranges: bool = True
    validators: Callable[[bytes], dict[str, str]] = lambda body: {"ETag": f'"{hashlib.sha1(body).hexdigest()}"'}

    @property
    def url(self) -> str:
        """As a recipe says it."""
        return f"{self.address}/{{label}}.json.gz"

    def put(self, genre: str, lines: Iterable[bytes]) -> bytes:
        """Make a genre's file; returns its bytes."""
        body = self.files[f"/{genre}.json.gz"] = gzip.compress(b"".join(lines), 6, mtime=0)
        return body

    def asked(self, genre: str) -> list[dict[str, str]]:
        """The headers of each request for a genre."""
        return [headers for path, headers in self.requests if path == f"/{genre}.json.gz"]


def lines(genre: str, n: int, words: int = 40) -> Iterator[bytes]:
    """`n` lines of a genre's file."""
    rng = random.Random(genre)
    for number in range(n):
        yield line(f"{genre[:3]}{number:06}", f"{genre} {number}: {' '.join(rng.choices(WORDS, k=words))}")


def line(review: str, text: str) -> bytes:
    """A line of the Goodreads files, whose reviews are named by 32 hexadecimal digits."""
    row: dict[str, Any] = {
        "user_id": hashlib.md5(review.encode()).hexdigest(), "book_id": str(len(text)), "review_id": review,
        "rating": 4, "review_text": text, "date_added": "Wed Apr 16 00:32:07 -0700 2014",
        "date_updated": "Wed Apr 16 00:32:07 -0700 2014", "read_at": "", "started_at": "",
        "n_votes": 0, "n_comments": 0,
    }  # fmt: skip
    return json.dumps(row).encode() + b"\n"


@contextmanager
def serving() -> Iterator[Bookshelf]:
    """An empty shelf, served until the block ends."""
    shelf = Bookshelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"shelf": shelf}))
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    shelf: Bookshelf

    def do_GET(self) -> None:
        self.shelf.requests.append((self.path, dict(self.headers)))
        faults = self.shelf.faults.get(self.path, [])
        fault = faults.pop(0) if faults else Fault()
        body = self.shelf.files.get(self.path)
        status, headers, start = self._answer(body, fault)
        part = b"" if body is None or status >= 300 else body[start:]
        headers |= {"Content-Length": str(len(part))} | fault.headers
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # the reader has enough
            self._send(part[: fault.cut])
        fault.then()

    def _answer(self, body: bytes | None, fault: Fault) -> tuple[int, dict[str, str], int]:
        """Status, headers, and the place in the file where the answer starts."""
        if fault.status or body is None:
            return fault.status or 404, {}, 0
        headers = self.shelf.validators(body)
        unchanged = self.headers.get("If-Range") in headers.values()
        if not (self.shelf.ranges and unchanged and "Range" in self.headers):
            return 200, headers, 0
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        return 206, headers | {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, start

    def _send(self, body: bytes) -> None:
        for start in range(0, len(body), 2**16):
            self.wfile.write(body[start : start + 2**16])
            self.shelf.sent += len(body[start : start + 2**16])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
