"""Who is asking, and what they may do: tokens, and the way from a request to a repo."""

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from typing import Literal, cast
from urllib.parse import unquote

from starlette.requests import Request

from . import disk
from .errors import Forbidden, GatedRepo, Invalid, RepoNotFound, Unauthorized
from .names import RepoId
from .repo import Repo
from .store import Store

USER = "demo"

Role = Literal["read", "write"]


@dataclass(frozen=True)
class Tokens:
    """The one user of a local hub, with a token that may write and one that may only read."""

    user: str
    write: str
    read: str

    def role(self, token: str) -> Role:
        """What a token allows; Unauthorized if it is unknown."""
        if hmac.compare_digest(token.encode(), self.write.encode()):
            return "write"
        if hmac.compare_digest(token.encode(), self.read.encode()):
            return "read"
        raise Unauthorized("Invalid credentials in Authorization header")  # words the Hub client compares with

    def sign(self, text: str) -> str:
        """A signature that only this hub can make, in hex."""
        return hmac.new(self.write.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Hub:
    """What every request handler needs; the application's `state.hub`."""

    store: Store
    tokens: Tokens


def load_tokens(store: Store) -> Tokens:
    """The tokens of a root folder (tokens.json, readable by its owner only), made at the first start."""
    path = store.root / "tokens.json"
    if not path.exists():
        made = Tokens(USER, *(f"hf_local_{role}_{secrets.token_hex(16)}" for role in ("write", "read")))
        disk.write_json(store.scratch, path, asdict(made))
    return Tokens(**json.loads(path.read_bytes()))


def hub(request: Request) -> Hub:
    """The hub that a request was sent to."""
    return cast(Hub, request.app.state.hub)


def role(request: Request) -> Role | None:
    """What the request's token allows, None without one; Unauthorized if it is unknown."""
    header = request.headers.get("authorization")
    return hub(request).tokens.role(header.removeprefix("Bearer ")) if header else None


def url_part(request: Request, name: str) -> str:
    """A part of the URL's path, decoded: routes match the path as it was sent, where a %2F separates nothing."""
    try:
        return unquote(request.path_params.get(name, ""), errors="strict")
    except UnicodeDecodeError:
        raise Invalid(f"The URL's {name} is not UTF-8") from None


def url_repo(request: Request) -> Repo:
    """The repo that the URL names, whoever asks; RepoNotFound if there is none."""
    outside_api = "datasets" if request.scope["path"].startswith("/datasets/") else "models"
    kind = request.path_params.get("kind", outside_api)
    return hub(request).store.repo(RepoId(kind, url_part(request, "namespace"), url_part(request, "name")))


def visible(request: Request) -> Repo:
    """The repo of the URL, whose card and tree the caller may see; RepoNotFound otherwise."""
    repo = url_repo(request)
    if not may_see(request, repo):
        raise RepoNotFound(f"Repository not found: {repo.id}")  # in the words for one that does not exist
    return repo


def may_see(request: Request, repo: Repo) -> bool:
    """Whether a repo is public or the caller's own."""
    return _owns(request, repo.id) or not repo.state().private


def readable(request: Request) -> Repo:
    """The repo of the URL, whose files the caller may fetch; GatedRepo when only its card may be seen."""
    repo = visible(request)
    if repo.state().gated and not _owns(request, repo.id):
        raise GatedRepo(f"Access to {repo.id} is restricted, and you are not in the authorized list")
    return repo


def writable(request: Request) -> Repo:
    """The repo of the URL, which the caller may change; Unauthorized or Forbidden otherwise."""
    repo = visible(request)
    check_may_write(request, repo.id)
    return repo


def check_may_write(request: Request, repo_id: RepoId) -> None:
    """Raise Unauthorized without a token, Forbidden without the right to write to this namespace."""
    given = role(request)
    if given is None:
        raise Unauthorized("A token is needed to write")
    if given == "read":
        raise Forbidden("This token may only read; use a token with the role `write`")
    if not _owns(request, repo_id):
        raise Forbidden(f"You may not write to the namespace {repo_id.namespace!r}")


def _owns(request: Request, repo_id: RepoId) -> bool:
    return role(request) is not None and repo_id.namespace == hub(request).tokens.user
