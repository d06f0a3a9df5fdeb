"""Receiving files and commits, in the order in which the Hub client sends them.

preupload says which files go to LFS; batch says where to PUT those that are not here yet; commit brings the small
files and names the large ones. What a client sends is streamed to disk, and trusted only once it has been hashed.
"""

import base64
import hashlib
import hmac
import time
from typing import IO, Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import hub, url_part, url_repo, writable
from .attributes import is_large
from .disk import scratch
from .errors import EntryNotFound, Forbidden, Invalid
from .names import check_path, is_sha256
from .payload import read_payload
from .repo import Repo
from .wire import endpoint, field, is_true

Body = dict[str, Any]

UPLOAD_SECONDS = 6 * 3600  # how long an upload may wait to begin


def preupload(request: Request, body: Body) -> Response:
    """POST …/preupload/<revision> {files: [{path, size, sample}]}: how to send each file, and what is there now."""
    _refuse_pull_request(request)
    commit = writable(request).commit_at(url_part(request, "revision"))
    modes = []
    for entry in field(body, "files", list):
        if not isinstance(entry, dict):
            raise Invalid("The body needs `files` to be a list of objects")
        path = check_path(field(entry, "path", str))
        mode = "lfs" if is_large(path, field(entry, "size", int), _sample(entry)) else "regular"
        there = commit.files.get(path)
        modes.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": there.etag if there else None})
    return JSONResponse({"files": modes})


def batch(request: Request, body: Body) -> Response:
    """POST /<repo>.git/info/lfs/objects/batch {operation, objects}: where to PUT each object that is not here."""
    repo = writable(request)
    if body.get("operation") != "upload":
        raise Invalid("Only the operation `upload` is known here")
    objects = [_instructions(request, repo, *_oid_and_size(entry)) for entry in field(body, "objects", list)]
    return JSONResponse({"transfer": "basic", "objects": objects})


async def put_object(request: Request) -> Response:
    """PUT of an object to the signed address from `batch`; kept only if it is what it was declared to be.

    The client sends no token here, as the Hub's addresses point to a store that is not the Hub: the signature stands
    for the right to write.
    """
    repo, oid, size = _signed_upload(request)
    digest, received = hashlib.sha256(), 0
    with scratch(repo.scratch) as file:
        async for chunk in request.stream():
            received += len(chunk)
            if received <= size:
                digest.update(chunk)
                file.write(chunk)
        if (digest.hexdigest(), received) != (oid, size):
            raise Invalid(f"The {received} bytes received are not the {size} bytes with the SHA-256 {oid}")
        await run_in_threadpool(repo.keep_large, file, oid)
    return JSONResponse({})


def verify(request: Request, body: Body) -> Response:
    """POST …/verify {oid, size}: whether an uploaded object is here."""
    repo, (oid, size) = writable(request), _oid_and_size(body)
    path = repo.lfs_path(oid)
    if not path.exists():
        raise EntryNotFound(f"No object has been uploaded for {oid}")
    if path.stat().st_size != size:
        raise Invalid(f"The object {oid} has {path.stat().st_size} bytes, not {size}")
    return JSONResponse({})


async def commit(request: Request) -> Response:
    """POST …/commit/<branch>: lines of JSON, see payload.py."""
    _refuse_pull_request(request)
    repo = await run_in_threadpool(writable, request)
    with scratch(repo.scratch) as lines:
        async for chunk in request.stream():
            lines.write(chunk)
        lines.seek(0)
        return await run_in_threadpool(_commit, request, repo, lines)


def _commit(request: Request, repo: Repo, lines: IO[bytes]) -> Response:
    payload, branch = read_payload(lines, repo), url_part(request, "revision")
    author = hub(request).tokens.user
    made = repo.commit(branch, payload.changes, payload.title, payload.message, author, payload.parent)
    url = f"{endpoint(request)}{repo.id.url_path}/commit/{made.id}"
    return JSONResponse({"success": True, "commitOid": made.id, "commitUrl": url, "hookOutput": ""})


def _refuse_pull_request(request: Request) -> None:
    if is_true(request.query_params.get("create_pr")):
        raise Invalid("This server has no pull requests: commit to a branch instead of using create_pr")


def _sample(entry: Body) -> bytes:
    """The first bytes of a file; a malformed sample says nothing about it."""
    try:
        return base64.b64decode(entry.get("sample", ""))
    except (TypeError, ValueError):
        return b""


def _oid_and_size(entry: object) -> tuple[str, int]:
    match entry:
        case {"oid": str(oid), "size": int(size)} if is_sha256(oid) and size >= 0:
            return oid, size
    raise Invalid("An object needs a SHA-256 `oid` and a `size` in bytes")


def _instructions(request: Request, repo: Repo, oid: str, size: int) -> Body:
    """What the client shall do about one object: nothing if its bytes are here."""
    if repo.lfs_path(oid).exists():
        return {"oid": oid, "size": size}
    base = f"{endpoint(request)}{repo.id.url_path}.git/info/lfs/objects"
    expires = int(time.time()) + UPLOAD_SECONDS
    signature = hub(request).tokens.sign(_to_sign(repo, oid, size, expires))
    query = urlencode({"size": size, "expires": expires, "signature": signature})
    actions = {"upload": {"href": f"{base}/{oid}?{query}"}, "verify": {"href": f"{base}/verify"}}
    return {"oid": oid, "size": size, "authenticated": True, "actions": actions}


def _signed_upload(request: Request) -> tuple[Repo, str, int]:
    """Repo, SHA-256 and size for which an upload's address was made; Forbidden unless it was made here."""
    repo, oid, query = url_repo(request), url_part(request, "oid"), request.query_params
    try:
        size, expires = int(query["size"]), int(query["expires"])
    except (KeyError, ValueError):
        raise Forbidden("This is not an upload address") from None
    expected = hub(request).tokens.sign(_to_sign(repo, oid, size, expires))
    if not hmac.compare_digest(query.get("signature", "").encode(), expected.encode()) or expires < time.time():
        raise Forbidden("This upload address is not valid, or no longer")
    return repo, oid, size


def _to_sign(repo: Repo, oid: str, size: int, expires: int) -> str:
    return f"{repo.id.url_path} {oid} {size} {expires}"
