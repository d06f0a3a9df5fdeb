"""Trying again, for all that is asked over the network: which failures may pass, and how long is waited for that."""

import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying

log = logging.getLogger("verdict")


class BusyError(Exception):
    """The server may answer later; not before `seconds` if it says so. `status` is what it answered now."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.seconds = _seconds(response.headers.get("Retry-After", ""))
        super().__init__(f"it answers {response.status_code} {response.reason_phrase}")


def is_busy(response: httpx2.Response) -> bool:
    """Whether the same request may be answered later: time-outs, rate limits and errors of the server (RFC 9110)."""
    return response.status_code in (408, 429) or response.status_code >= 500


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed where this one failed."""
    lasting = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
    return isinstance(error, httpx2.TransportError | BusyError) and not isinstance(error, lasting)


def attempts(*, most: int, first: float, longest: float, **more: Any) -> "Retrying":
    """So many attempts; the wait before the next is drawn between 0 and `first` seconds, doubled up to `longest`.

    A server that names a longer wait gets it: whoever calls must refuse one that is too long. `more` is for tenacity.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    backoff = wait_random_exponential(multiplier=first, max=longest)

    def wait(state: "RetryCallState") -> float:
        return max(backoff(state), getattr(_failure(state), "seconds", 0.0))

    usual: dict[str, Any] = {"retry": retry_if_exception(may_pass), "stop": stop_after_attempt(most)}
    return Retrying(**(usual | more), wait=wait, before_sleep=_tell, reraise=True)


def said(error: BaseException | None) -> str:
    """An error in words; some time-outs say nothing."""
    return str(error).rstrip(".") or type(error).__name__


def _tell(state: "RetryCallState") -> None:
    log.info("Interrupted (%s); next attempt in %.0f s.", said(_failure(state)), state.upcoming_sleep)


def _failure(state: "RetryCallState") -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _seconds(retry_after: str) -> float:
    """Retry-After, a number of seconds or a date (RFC 9110, section 10.2.3), as seconds from now; else 0."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
