"""Describing what is in a repo: files, folders, commits and refs."""

from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import JSONResponse

from .access import url_part, visible
from .errors import EntryNotFound, Invalid
from .objects import Commit, pointer
from .repo import Repo
from .wire import is_true, page, timestamp

TREE_PAGE, EXPANDED_PAGE, COMMITS_PAGE = 1000, 50, 50  # entries


def tree(request: Request) -> JSONResponse:
    """GET …/tree/<revision>[/<folder>], with ?recursive and ?expand (which adds each entry's last commit)."""
    repo, folder = visible(request), url_part(request, "path").strip("/")
    commit = repo.commit_at(url_part(request, "revision"))
    expand = is_true(request.query_params.get("expand"))
    found = _below(commit, folder, is_true(request.query_params.get("recursive")))
    url = f"/api/{repo.id.kind}/{repo.id}/tree/{commit.id}{'/' + quote(folder, safe='') if folder else ''}"
    size = EXPANDED_PAGE if expand else TREE_PAGE
    return page(request, url, found, size, lambda paths: _entries(repo, commit, paths, expand))


async def paths_info(request: Request) -> JSONResponse:
    """POST …/paths-info/<revision> with a form of paths=…&paths=…&expand=…; unknown paths are left out."""
    repo = visible(request)
    commit = repo.commit_at(url_part(request, "revision"))
    try:
        form = parse_qs((await request.body()).decode("ascii"), errors="strict")
    except ValueError as error:
        raise Invalid(f"The body is not a form: {error}") from error
    known = commit.files.keys() | commit.folders.keys()
    paths = [path for path in dict.fromkeys(form.get("paths", [])) if path in known]
    return JSONResponse(_entries(repo, commit, paths, is_true(form.get("expand", ["false"])[0])))


def commits(request: Request) -> JSONResponse:
    """GET …/commits/<revision>, newest first; ?expand[]=formatted adds HTML."""
    repo = visible(request)
    head = repo.commit_at(url_part(request, "revision"))
    formatted = "formatted" in request.query_params.getlist("expand[]")
    url = f"/api/{repo.id.kind}/{repo.id}/commits/{head.id}"
    return page(request, url, repo.history(head), COMMITS_PAGE, lambda found: [_commit(c, formatted) for c in found])


def refs(request: Request) -> JSONResponse:
    """GET …/refs: branches and tags; the other kinds that the Hub has are always empty here."""
    state = visible(request).state()
    named = {"branches": ("heads", state.branches), "tags": ("tags", state.tags)}
    listed = {
        kind: [{"name": name, "ref": f"refs/{prefix}/{name}", "targetCommit": id} for name, id in found.items()]
        for kind, (prefix, found) in named.items()
    }
    return JSONResponse({**listed, "converts": [], "pullRequests": []})


def _below(commit: Commit, folder: str, recursive: bool) -> list[str]:
    """Paths of the files and folders in a folder ("" is the root), sorted."""
    if folder not in commit.folders:
        raise EntryNotFound(f"Entry not found: {folder!r}", commit.id)
    prefix = f"{folder}/" if folder else ""
    inside = (path for path in (*commit.files, *commit.folders) if path and path.startswith(prefix))
    return sorted(path for path in inside if recursive or "/" not in path[len(prefix) :])


def _entries(repo: Repo, commit: Commit, paths: list[str], expand: bool) -> list[dict[str, Any]]:
    entries = [_entry(commit, path) for path in paths]
    if expand:
        last = _last_changes(repo, commit, paths)
        for entry in entries:
            made = last[entry["path"]]
            entry["lastCommit"] = {"id": made.id, "title": made.title, "date": timestamp(made.date)}
    return entries


def _entry(commit: Commit, path: str) -> dict[str, Any]:
    file = commit.files.get(path)
    if file is None:
        return {"type": "directory", "oid": commit.folders[path], "size": 0, "path": path}
    entry: dict[str, Any] = {"type": "file", "oid": file.blob_id, "size": file.size, "path": path}
    if file.lfs:
        entry["lfs"] = {"oid": file.lfs, "size": file.size, "pointerSize": len(pointer(file.lfs, file.size))}
    return entry


def _last_changes(repo: Repo, head: Commit, paths: Iterable[str]) -> dict[str, Commit]:
    """For each path in `head`, the latest commit since which it is as it is."""
    now, last = _ids(head), dict.fromkeys(paths, head)
    pending = set(last)
    for commit in repo.history(head):
        ids = _ids(commit)
        pending = {path for path in pending if ids.get(path) == now[path]}
        if not pending:
            break
        last |= dict.fromkeys(pending, commit)
    return last


def _ids(commit: Commit) -> dict[str, str]:
    return {**commit.folders, **{path: file.blob_id for path, file in commit.files.items()}}


def _commit(commit: Commit, formatted: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": timestamp(commit.date),
    }
    if formatted:
        entry["formatted"] = {"title": escape(commit.title), "message": escape(commit.message)}
    return entry
