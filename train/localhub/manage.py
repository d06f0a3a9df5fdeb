"""Accounts, and making, changing and removing repos, branches and tags."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import check_may_write, hub, readable, role, url_part, writable
from .attributes import gitattributes
from .card import front_matter
from .errors import Exists, Invalid, Unauthorized
from .names import KINDS, RepoId
from .repo import MAIN
from .wire import endpoint, field

Body = dict[str, Any]


def whoami(request: Request) -> Response:
    """GET /api/whoami-v2."""
    given, user = role(request), hub(request).tokens.user
    if given is None:
        raise Unauthorized("A token is needed to know who you are")
    token = {"type": "access_token", "accessToken": {"displayName": f"local {given}", "role": given}}
    return JSONResponse({"type": "user", "id": user, "name": user, "fullname": user, "orgs": [], "auth": token})


def validate_yaml(_request: Request, body: Body) -> Response:
    """POST /api/validate-yaml {content}: whether a README's front matter can be read."""
    try:
        front_matter(field(body, "content", str))
    except ValueError as error:
        return JSONResponse({"errors": [{"message": str(error)}], "warnings": []}, 400)
    return JSONResponse({"errors": [], "warnings": []})


def check_read(request: Request) -> Response:
    """GET …/auth-check: whether the caller may fetch the repo's files."""
    readable(request)
    return JSONResponse({})


def check_write(request: Request) -> Response:
    """GET …/auth-check/write: whether the caller may change the repo."""
    writable(request)
    return JSONResponse({})


def create_repo(request: Request, body: Body) -> Response:
    """POST /api/repos/create {name, organization, type, visibility}; 409 if there is one."""
    repo_id = _named(request, body)
    check_may_write(request, repo_id)
    answer = {"name": str(repo_id), "url": endpoint(request) + repo_id.url_path}
    try:
        first = {".gitattributes": gitattributes()}
        hub(request).store.create(repo_id, _private(body) or False, hub(request).tokens.user, first)
    except Exists as error:  # the client wants the URL here too
        return JSONResponse({**answer, "error": str(error)}, error.status)
    return JSONResponse(answer)


def delete_repo(request: Request, body: Body) -> Response:
    """DELETE /api/repos/delete {name, organization, type}."""
    repo_id = _named(request, body)
    check_may_write(request, repo_id)
    hub(request).store.delete(repo_id)
    return JSONResponse({})


def change_settings(request: Request, body: Body) -> Response:
    """PUT …/settings {gated: "auto" | "manual" | false, visibility: "public" | "private"}."""
    private, gated = _private(body), body.get("gated")
    if gated not in (None, False, "auto", "manual"):
        raise Invalid(f"Invalid value of gated: {gated!r}")
    with writable(request).changing() as state:
        state.private = state.private if private is None else private
        state.gated = state.gated if gated is None else gated
    return JSONResponse({"private": state.private, "gated": state.gated})


def create_branch(request: Request, body: Body) -> Response:
    """POST …/branch/<name> {startingPoint}, by default the head of main."""
    start = field(body, "startingPoint", str) if "startingPoint" in body else MAIN
    writable(request).create_ref("branches", url_part(request, "ref"), start)
    return JSONResponse({})


def create_tag(request: Request, body: Body) -> Response:
    """POST …/tag/<revision> {tag}."""
    writable(request).create_ref("tags", field(body, "tag", str), url_part(request, "ref"))
    return JSONResponse({})


def delete_branch(request: Request) -> Response:
    """DELETE …/branch/<name>."""
    writable(request).delete_ref("branches", url_part(request, "ref"))
    return JSONResponse({})


def delete_tag(request: Request) -> Response:
    """DELETE …/tag/<name>."""
    writable(request).delete_ref("tags", url_part(request, "ref"))
    return JSONResponse({})


def _named(request: Request, body: Body) -> RepoId:
    """The repo that a body names; without an organization it is the caller's own."""
    kind = KINDS.get(str(body.get("type") or "model"))
    if kind is None:
        raise Invalid(f"Only models and datasets can be kept here, not {body['type']!r}")
    return RepoId(kind, str(body.get("organization") or hub(request).tokens.user), field(body, "name", str))


def _private(body: Body) -> bool | None:
    """What a body says of a repo's visibility, None if nothing."""
    visibility = body.get("visibility")
    if visibility not in (None, "public", "private"):
        raise Invalid(f"Invalid visibility: {visibility!r}")
    if visibility is None:
        return None if body.get("private") is None else body["private"] is True
    return bool(visibility == "private")
