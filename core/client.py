"""How the Hub's client asks: no request waits without end, and what may pass is tried again after a while.

huggingface_hub 2.4 sets no time-out for most requests, waits for as long as a server asks it to, tries some requests
again and others not, all at the same moments, and gives a reset download up. Here is one rule for every request.
"""

import threading
from collections.abc import Iterator
from typing import Any

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils._http import hf_request_event_hook

from core import retrying
from core.retrying import BusyError

ATTEMPTS = 4
"""How often one request is sent, in all."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 4.0
"""Seconds: the wait before another attempt is drawn between 0 and FIRST_WAIT, doubled each time up to LONGEST_WAIT."""
CONNECT, READ, CHANGE = 5.0, 8.0, 20.0
"""Seconds until a connection stands, and without a byte when reading and when changing something.

Twice that is the end: no attempt begins later, however long a server asks to be left alone.
"""


class GaveUpError(httpx2.TransportError):
    """Nobody answers, or only to say that they can't; `status` is what was answered, if anything.

    The Hub's client tries other errors of the network again by itself, but not one of this kind.
    """

    def __init__(self, error: BaseException) -> None:
        wait = f" and asks for {error.seconds:,.0f} seconds" if isinstance(error, BusyError) and error.seconds else ""
        super().__init__(retrying.said(error) + wait)
        self.status: int | None = getattr(error, "status", None)


class Client(httpx2.Client):
    """Sends the requests of the Hub's client."""

    def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """Send until there is an answer. Raises GaveUpError when there is none."""
        patience = READ if request.method in ("GET", "HEAD") else CHANGE
        # The Hub's client says `timeout=None` where it has none in mind, so a default would not do.
        asked_for = request.extensions.get("timeout", {}).get("read")
        if asked_for and asked_for < READ:
            return super().send(request, **how)  # something that it can do without
        timeout = httpx2.Timeout(patience, connect=CONNECT).as_dict()
        request.extensions = {**request.extensions, "timeout": timeout}
        if not isinstance(request.stream, httpx2.ByteStream):
            return self._send_file(request, patience, **how)
        try:
            return self._attempts(patience)(self._send_once, request, **how)  # type: ignore[no-any-return]
        except (httpx2.TransportError, BusyError) as error:
            raise GaveUpError(error) from error

    def _send_file(self, request: httpx2.Request, patience: float, **how: Any) -> httpx2.Response:
        """A body that can be read only once: the Hub's client, which has the file, tries that again itself."""
        response = super().send(request, **how)
        if retrying.is_busy(response) and (busy := BusyError(response)).seconds > patience:
            raise GaveUpError(busy)
        return response

    def _attempts(self, patience: float) -> Any:
        from tenacity import retry_if_exception, stop_after_attempt, stop_before_delay

        return retrying.attempts(
            most=ATTEMPTS,
            first=FIRST_WAIT,
            longest=LONGEST_WAIT,
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(2 * patience),
        )

    def _send_once(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        response = super().send(request, **how)
        if retrying.is_busy(response):
            response.close()
            raise BusyError(response)
        if response.is_stream_consumed:
            _require_readable(response)
        else:
            response.stream = _Body(response.stream, str(request.url))  # type: ignore[arg-type]
        return response


class _Body(httpx2.SyncByteStream):
    """A download, whose breaks are told as the Hub's client knows them: so it goes on where it was.

    One that falls silent twice without getting on is given up: alone, the Hub's client would wait six times.
    """

    _silent = threading.local()  # .url: the last one that fell silent in this thread, where it is then tried again

    def __init__(self, stream: httpx2.SyncByteStream, url: str) -> None:
        self._stream, self._url = stream, url

    def __iter__(self) -> Iterator[bytes]:
        received = 0
        try:
            for chunk in self._stream:
                received += len(chunk)
                yield chunk
        except httpx2.ReadError as error:
            raise httpx2.RemoteProtocolError(retrying.said(error)) from error
        except httpx2.TimeoutException as error:
            again, self._silent.url = getattr(self._silent, "url", "") == self._url, self._url
            if again and received < constants.DOWNLOAD_CHUNK_SIZE:  # it keeps nothing smaller
                raise GaveUpError(error) from error
            raise
        self._silent.url = ""

    def close(self) -> None:
        self._stream.close()


def _require_readable(response: httpx2.Response) -> None:
    """JSON that was damaged on the way is asked for again."""
    if response.is_success and response.headers.get("Content-Type", "").startswith("application/json"):
        try:
            response.json()
        except ValueError as error:
            raise httpx2.RemoteProtocolError("its answer is damaged") from error


def _may_pass(error: BaseException) -> bool:
    # A refused connection tells at once that nobody is there, and so should a page.
    return retrying.may_pass(error) and not isinstance(error, httpx2.ConnectError)


def install() -> None:
    """Let huggingface_hub ask this way from now on."""
    hooks: dict[str, list[Any]] = {"request": [hf_request_event_hook]}  # which keep to HF_HUB_OFFLINE
    set_client_factory(lambda: Client(event_hooks=hooks, follow_redirects=True, timeout=None))
