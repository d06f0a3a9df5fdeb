"""What can go wrong, and how each of it is told to the client.

HubError                    500
├── Invalid                 400
├── Unauthorized            401
├── Forbidden               403
│   └── GatedRepo           403  GatedRepo
├── RepoNotFound            404  RepoNotFound
├── RevisionNotFound        404  RevisionNotFound
├── EntryNotFound           404  EntryNotFound
├── Exists                  409
└── StaleParent             412

The last column is the X-Error-Code header, by which the Hub client chooses the exception it raises.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


class HubError(Exception):
    """A refusal with a message for the client; `commit` is the commit in which something was not found."""

    status = 500
    code: str | None = None

    def __init__(self, message: str, commit: str | None = None) -> None:
        super().__init__(message)
        self.commit = commit


class Invalid(HubError):
    """The request is malformed or asks for what this server does not do."""

    status = 400


class Unauthorized(HubError):
    """A token is needed and none, or an unknown one, was sent."""

    status = 401


class Forbidden(HubError):
    """The caller is known and may not do this."""

    status = 403


class GatedRepo(Forbidden):
    """The repo may be seen, its files may not be fetched."""

    code = "GatedRepo"


class RepoNotFound(HubError):
    """There is no such repo, or the caller may not know that there is."""

    status = 404
    code = "RepoNotFound"


class RevisionNotFound(HubError):
    """No branch, tag or commit has this name."""

    status = 404
    code = "RevisionNotFound"


class EntryNotFound(HubError):
    """The commit has no such file or folder."""

    status = 404
    code = "EntryNotFound"


class Exists(HubError):
    """The repo, branch or tag to be created is already there."""

    status = 409


class StaleParent(HubError):
    """The branch has moved on from the commit that the client built upon."""

    status = 412


def answer(_request: Request, error: Exception) -> JSONResponse:
    """Tell the client of a HubError, or of Starlette's own 404 and 405."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    assert isinstance(error, HubError)  # nothing else is handled by this
    # Messages quote what the client sent, and a header carries printable ASCII only.
    headers = {"X-Error-Message": str(error).encode("unicode_escape").decode("ascii")}
    headers |= {"X-Error-Code": error.code} if error.code else {}
    headers |= {"X-Repo-Commit": error.commit} if error.commit else {}
    return JSONResponse({"error": str(error)}, error.status, headers)
