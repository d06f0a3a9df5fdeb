"""One file on the web, read from its first byte to its last in small pieces, however often the connection breaks.

A broken transfer goes on where it stopped: the rest is asked for with Range, on the condition (If-Range) that the file
is still the same (RFC 9110, sections 13.1.5 and 14). The memory needed does not depend on the file's size.
"""

import io
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import httpx2

from core import retrying
from core.errors import DataError
from core.retrying import BusyError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ATTEMPTS = 8
"""How often a server is asked for one file, in all."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds: the wait before another attempt is drawn between 0 and FIRST_WAIT, doubled each time up to LONGEST_WAIT."""
PATIENCE = 120.0
"""Seconds: a server that asks for a longer wait than this is not waited for."""
TIMEOUT = httpx2.Timeout(30, connect=10)
"""Seconds without a byte, and until a connection stands."""
# What is counted, and asked for again, are the file's own bytes: no compression on the way.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "verdict"}


class StartAgainError(DataError):
    """A broken transfer cannot go on where it stopped; from the start it may succeed."""


class Transfer:
    """Reading one file; `etag` and `last_modified` are as its server says, empty if it doesn't."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.position = 0
        self.etag = ""
        self.last_modified = ""

    def chunks(self) -> Generator[bytes]:
        """The file's bytes; closing the iterator ends the transfer.

        Server errors, time-outs and broken connections are retried. Raises StartAgainError where the file changed
        meanwhile or its server doesn't send parts of it, and DataError where it cannot be had.
        """
        try:
            with httpx2.Client(timeout=TIMEOUT, headers=HEADERS, follow_redirects=True) as client:
                for attempt in retrying.attempts(most=ATTEMPTS, first=FIRST_WAIT, longest=LONGEST_WAIT):
                    with attempt:
                        yield from self._rest(client)
        except (httpx2.HTTPError, httpx2.InvalidURL, BusyError) as error:
            tried = f" after {ATTEMPTS} attempts" if retrying.may_pass(error) else ""
            raise DataError(f"{self.address} cannot be read{tried}: {retrying.said(error)}.") from None

    def file(self, chunks: Iterator[bytes]) -> io.BufferedReader:
        """`chunks` as a file that can be read once."""
        return io.BufferedReader(_File(chunks))

    def _rest(self, client: httpx2.Client) -> Iterator[bytes]:
        with client.stream("GET", self.address, headers=self._condition()) as response:
            self._accept(response)
            for chunk in response.iter_raw():  # not decoded: some servers send .gz as if compressed on the way
                self.position += len(chunk)
                yield chunk

    def _condition(self) -> dict[str, str]:
        if not self.position:
            return {}
        # A weak tag says that two files mean the same, not that their bytes are.
        same = self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified
        if not same:
            raise self._start_again()  # nothing would tell one file's start from another's end
        return {"Range": f"bytes={self.position}-", "If-Range": same}

    def _accept(self, response: httpx2.Response) -> None:
        status = response.status_code
        if retrying.is_busy(response):
            raise self._busy(response)
        if self.position and status in (200, 206, 416):
            if not self._continues(response):
                raise self._start_again()
        elif status != 200:
            raise DataError(f"{self.address} answers {status} {response.reason_phrase}.")
        else:
            self.etag = response.headers.get("ETag", "")
            self.last_modified = response.headers.get("Last-Modified", "")

    def _continues(self, response: httpx2.Response) -> bool:
        """Whether an answer is the rest of the same file; not every server minds If-Range."""
        stated = response.headers.get("ETag", self.etag), response.headers.get("Last-Modified", self.last_modified)
        part = response.headers.get("Content-Range", "")
        same = stated == (self.etag, self.last_modified)
        return response.status_code == 206 and part.startswith(f"bytes {self.position}-") and same

    def _busy(self, response: httpx2.Response) -> Exception:
        busy = BusyError(response)
        if busy.seconds > PATIENCE:
            return DataError(
                f"{self.address}: {busy} and asks for a wait of {busy.seconds:,.0f} seconds. Try again then."
            )
        return busy

    def _start_again(self) -> StartAgainError:
        return StartAgainError(
            f"{self.address}: the transfer broke after {self.position:,} bytes and cannot go on from there: "
            "the file changed, or its server does not send parts of it."
        )


class _File(io.RawIOBase):
    """An iterator of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = filter(None, chunks)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        chunk = self._left or next(self._chunks, b"")
        size = min(len(view), len(chunk))
        view[:size], self._left = chunk[:size], chunk[size:]
        return size
