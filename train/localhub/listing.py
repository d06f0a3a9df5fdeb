"""Describing repos: one, or all that match."""

from collections.abc import Iterator
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from .access import hub, may_see, url_part, visible
from .card import front_matter, listed_fields
from .errors import RepoNotFound
from .names import KINDS
from .objects import Commit, File, pointer
from .repo import MAIN, Repo
from .wire import is_true, page, timestamp

PAGE = 500
KEPT_BY_EXPAND = ("_id", "id", "modelId")


def repo_info(request: Request) -> JSONResponse:
    """GET /api/models/<repo>[/revision/<revision>], with ?blobs=true or ?expand=<field>&expand=…."""
    repo = visible(request)
    commit = repo.commit_at(url_part(request, "revision") or MAIN)
    info = _describe(repo, commit)
    if is_true(request.query_params.get("blobs")):
        info["siblings"] = [{**_name(path), **_blob(file)} for path, file in sorted(commit.files.items())]
    return JSONResponse(_expanded(info, request))


def repo_list(request: Request) -> JSONResponse:
    """GET /api/models with ?author, ?search, ?filter, ?pipeline_tag and ?sort; the latest comes first."""
    kind = request.path_params["kind"]
    if kind not in KINDS.values():
        raise HTTPException(404)
    found = [info for info in _descriptions(request, kind) if _matches(info, request)]
    sort = "createdAt" if request.query_params.get("sort") == "createdAt" else "lastModified"
    found.sort(key=lambda info: str(info[sort]), reverse=True)
    return page(request, f"/api/{kind}", found, PAGE, lambda infos: [_expanded(info, request) for info in infos])


def _descriptions(request: Request, kind: str) -> Iterator[dict[str, Any]]:
    for repo in hub(request).store.repos(kind):
        try:
            if may_see(request, repo):
                yield _describe(repo, repo.commit_at(MAIN))
        except RepoNotFound:  # deleted since it was listed
            continue


def _describe(repo: Repo, commit: Commit) -> dict[str, Any]:
    state = repo.state()
    return {
        "_id": str(repo.id),
        "id": str(repo.id),
        "modelId": str(repo.id),
        "author": repo.id.namespace,
        "sha": commit.id,
        "createdAt": timestamp(state.created),
        "lastModified": timestamp(commit.date),
        "private": state.private,
        "gated": state.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "siblings": [_name(path) for path in sorted(commit.files)],
        "usedStorage": sum(file.size for file in commit.files.values()),
        **listed_fields(_card(repo, commit)),
    }


def _card(repo: Repo, commit: Commit) -> dict[str, Any]:
    readme = commit.files.get("README.md")
    if readme is None:
        return {}
    try:
        return front_matter(repo.content(readme).read_text(errors="replace"))
    except ValueError:  # it can be committed without having been validated
        return {}


def _name(path: str) -> dict[str, Any]:
    return {"rfilename": path}


def _blob(file: File) -> dict[str, Any]:
    blob: dict[str, Any] = {"blobId": file.blob_id, "size": file.size}
    if file.lfs:
        size = len(pointer(file.lfs, file.size))
        blob["lfs"] = {"sha256": file.lfs, "size": file.size, "pointerSize": size}
    return blob


def _matches(info: dict[str, Any], request: Request) -> bool:
    wanted = request.query_params
    return (
        wanted.get("author", info["author"]) == info["author"]
        and wanted.get("search", "").lower() in info["id"].lower()
        and wanted.get("pipeline_tag", info.get("pipeline_tag")) == info.get("pipeline_tag")
        and set(wanted.getlist("filter")) <= set(info["tags"])
    )


def _expanded(info: dict[str, Any], request: Request) -> dict[str, Any]:
    """Only the fields that ?expand names, if it names any."""
    fields = request.query_params.getlist("expand")
    return {name: value for name, value in info.items() if not fields or name in (*KEPT_BY_EXPAND, *fields)}
