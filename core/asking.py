"""What the Hub's client raises, told in our words: what happened, and what to do about it."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.client import GaveUpError
from core.errors import HubConflict, HubError, HubRefused, HubUnreachable, NotOnHub
from core.retrying import said

GARBLED = (ValueError, KeyError, TypeError)
"""What the Hub's client raises when an answer is not what it should be."""
_nobody: ContextVar[bool] = ContextVar("nobody", default=False)


@contextmanager
def nobody() -> Iterator[None]:
    """Within this, the Hub is not asked: HubUnreachable at once, where it is known not to answer."""
    token = _nobody.set(True)
    try:
        yield
    finally:
        _nobody.reset(token)


@contextmanager
def asking(about: str, otherwise: str = "is not in the cache on this machine") -> Iterator[None]:
    """Ask the Hub about a repo; its errors become ours. `otherwise` is what is true of the repo if nobody answers."""
    if _nobody.get():
        raise _unreachable(f"{about} {otherwise}")
    with in_our_words(about, otherwise):
        yield


@contextmanager
def in_our_words(about: str, otherwise: str = "is not in the cache on this machine") -> Iterator[None]:
    """Turn the Hub client's errors into ours, with what to do about them; other errors pass."""
    try:
        yield
    except OSError as error:
        # Many of the client's errors are OSErrors too; of the system's own, a full disk is one that a user can mend.
        if ours := _ours(about, otherwise, error):
            raise ours from error
        raise
    except (EntryNotFoundError, HFValidationError, httpx2.TransportError) as error:
        raise _ours(about, otherwise, error) or error from error
    except GARBLED as error:
        raise HubError(f"What the Hub answers about {about} makes no sense ({said(error)}). Try again.") from error
    except RuntimeError as error:
        # The client's upload threads wrap what went wrong.
        if ours := _ours(about, otherwise, error.__cause__):
            raise ours from error
        raise


def came_short(error: BaseException | None) -> bool:
    """Whether the Hub's client found a file of another length than it was told."""
    return isinstance(error, OSError) and "Consistency check failed" in str(error)


def _ours(about: str, otherwise: str, error: BaseException | None) -> HubError | None:
    match error:
        case GatedRepoError():
            return HubRefused(
                f"{about} is gated: accept its conditions on the Hub, then set HF_TOKEN to a token of yours."
            )
        case RepositoryNotFoundError():
            return NotOnHub(f"There is no {about} on {constants.ENDPOINT}, or HF_TOKEN may not see it.")
        case RevisionNotFoundError():
            return NotOnHub(f"{about}: the repo is there, but not this revision.")
        case LocalEntryNotFoundError(__cause__=HfHubHTTPError() as refused):
            return _ours(about, otherwise, refused)
        case LocalEntryNotFoundError(__cause__=FileMetadataError()):
            return HubError(f"What {constants.ENDPOINT} answers for {about} is not what a Hub says: check HF_ENDPOINT.")
        case LocalEntryNotFoundError() | OfflineModeIsEnabled() | httpx2.TransportError():
            return _unreachable(f"{about} {otherwise}", error)
        case EntryNotFoundError():
            return NotOnHub(f"{about} lacks a file: {_first_line(error)}")
        case HFValidationError():
            return NotOnHub(f"{about} is no name of a model: write user/name or user/name@commit.")
        case HfHubHTTPError():
            return _refusal(about, error)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG):
            return HubError(
                f"There is no room for {about} on this machine ({error.strerror}). Make room in {constants.HF_HOME} "
                f"and {tempfile.gettempdir()}, or name other places with HF_HOME and TMPDIR; then try again."
            )
        case OSError() if came_short(error):
            return HubError(f"{about} did not come whole: {_first_line(error)} Try again.")
    return None


def _unreachable(so: str, error: BaseException | None = None) -> HubUnreachable:
    says = "does not answer"
    if isinstance(error, GaveUpError) and error.status:
        says = f"is not at work ({error})"
    elif isinstance(error, GaveUpError):
        says += f" ({error})"
    return HubUnreachable(
        f"The Hub at {constants.ENDPOINT} {says}, and {so}. Check the connection (and HF_ENDPOINT), then try again."
    )


def _refusal(about: str, error: HfHubHTTPError) -> HubError:
    status = error.response.status_code if error.response is not None else None
    if status in (401, 403):
        return HubRefused(f"The Hub refused {about}: HF_TOKEN is missing, wrong, or lacks the right to do this.")
    if status in (409, 412):
        return HubConflict(f"{about} changed on the Hub while this was being done; nothing was written. Try again.")
    if status == 413:
        return HubError(f"{about} is more than the Hub takes (413). Publish less: a smaller encoder, or no texts.")
    return HubError(f"The Hub answered {status} for {about}: {error.server_message or _first_line(error)}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
