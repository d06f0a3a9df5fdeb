"""Serving files: GET and HEAD of /<repo>/resolve/<revision>/<path>, whole or in ranges, straight from disk."""

from starlette.requests import Request
from starlette.responses import FileResponse

from .access import readable, url_part
from .errors import EntryNotFound
from .objects import Commit, File


class Download(FileResponse):
    """A file in larger steps than the default, which suits small pages."""

    chunk_size = 1 << 20


def resolve(request: Request) -> Download:
    """A file at a branch, tag or commit. HEAD gives its size and hash, which is what clients cache it by."""
    repo = readable(request)
    commit = repo.commit_at(url_part(request, "revision"))
    path = url_part(request, "path")
    file = commit.files.get(path)
    if file is None:
        raise EntryNotFound(f"Entry not found: {path!r}", commit.id)
    media_type = "application/octet-stream" if file.lfs else "text/plain"
    return Download(repo.content(file), headers=_headers(commit, file), media_type=media_type)


def _headers(commit: Commit, file: File) -> dict[str, str]:
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{file.etag}"'}
    if file.lfs:  # the Hub redirects to a store here, and names the file it links to by these
        headers |= {"X-Linked-ETag": f'"{file.lfs}"', "X-Linked-Size": str(file.size)}
    return headers
