"""The local hub, used as its users do: through the Hub's own client, over HTTP."""

import hashlib
import http.client
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    constants,
    get_hf_file_metadata,
    hf_hub_url,
)
from huggingface_hub._commit_api import CommitOperation
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile, RepoFolder
from huggingface_hub.lfs import UploadInfo, post_lfs_batch_info

from train.localhub import LocalHub, serving
from train.localhub import tree as tree_routes
from train.localhub import upload as upload_routes
from train.localhub.objects import Commit, git_hash

# The client's own way of sending a large file is deprecated by the HTTP library that it uses.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

PROJECT = Path(__file__).resolve().parents[1]
CARD = "---\npipeline_tag: text-classification\nlibrary_name: transformers\nlicense: mit\ntags: [reviews]\n---\n# Hi\n"
LARGE = bytes(range(256)) * 50_000  # 12.8 MB
NUMBERS = count()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with serving(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(autouse=True)
def plain_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads these settings from the environment when it is imported, which is too late here."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.write_token)


@pytest.fixture
def reader(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.read_token)


@pytest.fixture
def stranger(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=False)


@pytest.fixture
def repo(api: HfApi) -> str:
    """A new repo's id."""
    return str(api.create_repo(f"demo/repo-{next(NUMBERS)}").repo_id)


@pytest.fixture
def raw(hub: LocalHub) -> Iterator[httpx2.Client]:
    """HTTP without the client's own checks, with the write token."""
    headers = {"Authorization": f"Bearer {hub.write_token}"}
    with httpx2.Client(base_url=hub.endpoint, headers=headers) as client:
        yield client


def put(api: HfApi, repo: str, files: dict[str, bytes], **options: Any) -> str:
    """Commit files, return the commit's id."""
    operations = [CommitOperationAdd(path, data) for path, data in files.items()]
    return str(api.create_commit(repo, operations, **{"commit_message": "Add files", **options}).oid)


def fetch(api: HfApi, repo: str, path: str, cache: Path, **options: Any) -> bytes:
    """Download a file into a cache, return its bytes."""
    return Path(api.hf_hub_download(repo, path, cache_dir=cache, **options)).read_bytes()


def files_in(api: HfApi, repo: str, **options: Any) -> set[str]:
    return set(api.list_repo_files(repo, **options)) - {".gitattributes"}


def ids(api: HfApi, repo: str, **options: Any) -> list[str]:
    """Commit ids, newest first."""
    return [commit.commit_id for commit in api.list_repo_commits(repo, **options)]


def refused(error: type[HfHubHTTPError], status: int, call: Callable[[], object]) -> HfHubHTTPError:
    """Assert that a call raises this error of the client's, with this status."""
    with pytest.raises(error) as caught:
        call()
    assert caught.value.response.status_code == status
    return caught.value


def lines(*items: tuple[str, Any]) -> bytes:
    """A commit request's body."""
    return b"".join(json.dumps({"key": key, "value": value}).encode() + b"\n" for key, value in items)


HEADER = ("header", {"summary": "Raw", "description": ""})


# Accounts and repos


def test_tokens_have_a_user_and_a_role(hub: LocalHub, api: HfApi, reader: HfApi) -> None:
    assert api.whoami()["name"] == reader.whoami()["name"] == "demo"
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
    refused(HfHubHTTPError, 401, HfApi(endpoint=hub.endpoint, token="hf_wrong").whoami)
    assert hub.write_token not in repr(hub)
    assert stat.S_IMODE((hub.root / "tokens.json").stat().st_mode) == 0o600


def test_a_repo_is_created_once_and_deleted_once(api: HfApi, repo: str) -> None:
    refused(HfHubHTTPError, 409, lambda: api.create_repo(repo))
    assert api.create_repo(repo, exist_ok=True).repo_id == repo
    assert api.create_repo(repo.removeprefix("demo/"), exist_ok=True).repo_id == repo
    api.delete_repo(repo)
    assert not api.repo_exists(repo)
    refused(RepositoryNotFoundError, 404, lambda: api.delete_repo(repo))
    api.delete_repo(repo, missing_ok=True)
    api.create_repo(repo)
    assert files_in(api, repo) == set()


def test_what_cannot_be_created_is_refused(api: HfApi, raw: httpx2.Client) -> None:
    refused(HfHubHTTPError, 403, lambda: api.create_repo("someone/else"))
    refused(BadRequestError, 400, lambda: api.create_repo("demo/space", repo_type="space", space_sdk="docker"))
    for name in ("..", "a/b", "a--b", ".hidden", "x.git", "", "a\0b", "a" * 97):
        assert raw.post("/api/repos/create", json={"name": name}).status_code == 400


def test_a_dataset_has_the_same_life(api: HfApi, tmp_path: Path) -> None:
    api.create_repo("demo/reviews", repo_type="dataset")
    data = {"README.md": b"---\nlicense: mit\n---\n", "train.parquet": b"PAR1"}
    commit = put(api, "demo/reviews", data, repo_type="dataset")
    assert fetch(api, "demo/reviews", "train.parquet", tmp_path, repo_type="dataset", revision=commit) == b"PAR1"
    assert [info.id for info in api.list_datasets(author="demo")] == ["demo/reviews"]
    assert api.dataset_info("demo/reviews").sha == commit
    assert not api.repo_exists("demo/reviews")  # as a model


# Uploads


def test_a_folder_comes_back_as_it_was(api: HfApi, repo: str, tmp_path: Path) -> None:
    written = {
        "README.md": CARD.encode(),
        "config.json": b"{}",
        "empty.txt": b"",
        "onnx/model.onnx": LARGE,
        "evaluation/predictions/ä b#c%2F+d?.json": b"[1]",
    }
    for path, data in written.items():
        (tmp_path / "out" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / path).write_bytes(data)
    commit = api.upload_folder(repo_id=repo, folder_path=tmp_path / "out").oid
    folder = Path(api.snapshot_download(repo, revision=commit, cache_dir=tmp_path / "cache"))
    read = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert read.pop(".gitattributes").startswith(b"*.7z filter=lfs")
    assert read == written
    verified = api.verify_repo_checksums(repo, cache_dir=tmp_path / "cache", revision=commit)
    assert verified.checked_count == len(written) + 1
    assert (verified.mismatches, verified.missing_paths, verified.extra_paths) == ([], [], [])
    assert api.upload_folder(repo_id=repo, folder_path=tmp_path / "out").oid == commit  # nothing has changed


def test_large_binary_and_listed_files_go_to_lfs(api: HfApi, repo: str) -> None:
    large = {"a.safetensors": b"tiny", "b/c.PNG": b"tiny", "binary": b"a\0b", "latin": b"\xe9t\xe9", "long.txt": LARGE}
    small = {"text.txt": "é".encode() * 4000, "cut.txt": b"a" + "é".encode() * 300, "README": b"", "zero.bin": b""}
    put(api, repo, {**large, **small, "x.txt": b"x" * 10_000_000})
    stored = {file.path: file for file in api.list_repo_tree(repo, recursive=True) if isinstance(file, RepoFile)}
    assert {path for path, file in stored.items() if file.lfs} == set(large)
    for path, data in large.items():
        lfs = stored[path].lfs
        assert lfs is not None
        assert (lfs.sha256, lfs.size) == (hashlib.sha256(data).hexdigest(), len(data))
    for path, data in small.items():
        assert (stored[path].blob_id, stored[path].size) == (git_hash("blob", data), len(data))


def test_what_is_here_is_not_asked_for_again(hub: LocalHub, api: HfApi, repo: str) -> None:
    put(api, repo, {"a.bin": b"here"})
    infos = [UploadInfo.from_bytes(data) for data in (b"here", b"new")]
    (here, new), errors, transfer = post_lfs_batch_info(
        infos, token=hub.write_token, repo_type="model", repo_id=repo, endpoint=hub.endpoint
    )
    assert (errors, transfer) == ([], "basic")
    assert "actions" not in here
    assert {"upload", "verify"} == set(new["actions"])


def test_an_upload_must_be_what_it_was_declared_to_be(api: HfApi, repo: str, raw: httpx2.Client, hub: LocalHub) -> None:
    oid = hashlib.sha256(b"right").hexdigest()
    batch = {"operation": "upload", "objects": [{"oid": oid, "size": 5}]}
    actions = raw.post(f"/{repo}.git/info/lfs/objects/batch", json=batch).json()["objects"][0]["actions"]
    href, verify = actions["upload"]["href"], actions["verify"]["href"]
    lfs_file = ("lfsFile", {"path": "a.bin", "algo": "sha256", "oid": oid, "size": 5})

    for corrupted in (b"wrong", b"righ", b"right and more", b""):
        assert httpx2.put(href, content=corrupted).status_code == 400
    for forged in (href[:-1] + "x", href.replace("size=5", "size=6"), href.split("?")[0], href + "&expires=9"):
        assert httpx2.put(forged, content=b"right").status_code == 403
    assert raw.post(verify, json={"oid": oid, "size": 5}).status_code == 404
    assert raw.post(f"/api/models/{repo}/commit/main", content=lines(HEADER, lfs_file)).status_code == 400
    assert list((hub.root / "tmp").iterdir()) == []

    assert httpx2.put(href, content=b"right").status_code == 200
    assert raw.post(verify, json={"oid": oid, "size": 5}).status_code == 200
    assert raw.post(verify, json={"oid": oid, "size": 6}).status_code == 400
    assert raw.post(f"/api/models/{repo}/commit/main", content=lines(HEADER, lfs_file)).status_code == 200
    assert files_in(api, repo) == {"a.bin"}


def test_an_upload_address_expires(repo: str, raw: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_routes, "UPLOAD_SECONDS", -1)
    batch = {"operation": "upload", "objects": [{"oid": hashlib.sha256(b"late").hexdigest(), "size": 4}]}
    href = raw.post(f"/{repo}.git/info/lfs/objects/batch", json=batch).json()["objects"][0]["actions"]["upload"]["href"]
    assert httpx2.put(href, content=b"late").status_code == 403


def test_an_upload_that_breaks_off_leaves_nothing(hub: LocalHub, repo: str, raw: httpx2.Client) -> None:
    batch = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1000}]}
    href = raw.post(f"/{repo}.git/info/lfs/objects/batch", json=batch).json()["objects"][0]["actions"]["upload"]["href"]
    for path in (href.removeprefix(hub.endpoint), f"/api/models/{repo}/commit/main"):
        connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"))
        connection.putrequest("PUT" if "?" in path else "POST", path)
        connection.putheader("Authorization", f"Bearer {hub.write_token}")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"only the beginning")
        connection.close()
    deadline = time.monotonic() + 5
    while list((hub.root / "tmp").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list((hub.root / "tmp").iterdir()) == []


def test_a_card_that_is_not_yaml_is_refused(api: HfApi, repo: str) -> None:
    for text in ("---\na: [1\n---\n", "---\n- a list\n---\n", "---\na: &x [*x]\n---\n"):
        with pytest.raises(ValueError, match="Invalid metadata"):
            put(api, repo, {"README.md": text.encode()})
    for text in ("no front matter", "---\nnot closed", "---\n---\n", CARD, CARD.replace("\n", "\r\n")):
        put(api, repo, {"README.md": text.encode()})
    assert len(ids(api, repo)) == 6


# Commits


def test_files_are_deleted_copied_and_replaced(api: HfApi, repo: str, tmp_path: Path) -> None:
    put(api, repo, {"a/1.txt": b"1", "a/2.txt": b"2", "b.txt": b"b", "w.bin": b"weights"})
    api.delete_file("b.txt", repo)
    assert files_in(api, repo) == {"a/1.txt", "a/2.txt", "w.bin"}
    moves = [CommitOperationCopy("a/1.txt", "one.txt"), CommitOperationCopy("w.bin", "v.bin")]
    head = api.create_commit(repo, [*moves, CommitOperationDelete("a/")], commit_message="Move").oid
    assert files_in(api, repo) == {"one.txt", "v.bin", "w.bin"}
    assert fetch(api, repo, "one.txt", tmp_path) == b"1"
    assert fetch(api, repo, "v.bin", tmp_path) == b"weights"
    put(api, repo, {"one.txt": b"another"})
    assert fetch(api, repo, "one.txt", tmp_path) == b"another"
    assert fetch(api, repo, "one.txt", tmp_path, revision=head) == b"1"


def test_deleting_what_is_not_there_is_an_error(api: HfApi, repo: str) -> None:
    put(api, repo, {"a/b.txt": b"b"})
    error = refused(RemoteEntryNotFoundError, 404, lambda: api.delete_file("a", repo))
    assert "trailing '/'" in str(error)  # advice of the client's own, given for the words of the server
    refused(RemoteEntryNotFoundError, 404, lambda: api.delete_folder("b", repo))
    assert len(ids(api, repo)) == 2


def test_a_stale_parent_is_refused(api: HfApi, repo: str) -> None:
    first = put(api, repo, {"a": b"1"})
    second = put(api, repo, {"a": b"2"}, parent_commit=first)
    error = refused(HfHubHTTPError, 412, lambda: put(api, repo, {"a": b"3"}, parent_commit=first))
    assert second in str(error)
    third = put(api, repo, {"a": b"4"}, parent_commit=second[:7])
    assert ids(api, repo)[:3] == [third, second, first]


def test_an_empty_commit_is_not_sent_but_would_be_made(api: HfApi, repo: str) -> None:
    head = put(api, repo, {"a": b"1"})
    assert put(api, repo, {"a": b"1"}) == head
    assert api.create_commit(repo, [], commit_message="Nothing").oid == head
    again: list[CommitOperation] = [
        CommitOperationDelete("a"),
        CommitOperationAdd("a", b"1"),
    ]  # sent, since the client can't tell
    empty = api.create_commit(repo, again, commit_message="Again").oid
    assert ids(api, repo)[:2] == [empty, head]


def test_eight_writers_lose_and_duplicate_nothing(hub: LocalHub, api: HfApi, repo: str) -> None:
    start, first = threading.Barrier(8), ids(api, repo)

    def write(writer: int) -> list[str]:
        mine, parent = [], first[0]
        start.wait()
        for turn in range(4):
            try:
                mine.append(put(api, repo, {f"{writer}/{turn}": b"x"}, parent_commit=parent))
            except HfHubHTTPError as error:
                if error.response.status_code != 412:
                    raise
            parent = str(api.model_info(repo).sha)
        return mine

    with ThreadPoolExecutor(8) as pool:
        acknowledged = [commit for mine in pool.map(write, range(8)) for commit in mine]
    history = ids(api, repo)
    assert sorted(history) == sorted(acknowledged + first)
    assert len(files_in(api, repo)) == len(acknowledged)
    assert 4 <= len(acknowledged) < 32  # whoever comes first succeeds, and all eight began with the same parent


def test_commit_ids_are_those_of_git(hub: LocalHub, api: HfApi, repo: str) -> None:
    assert git_hash("blob", b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_hash("tree", b"") == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    put(api, repo, {"a/b.txt": b"b", "a.txt": b"a"}, commit_description="Why")
    for commit in ids(api, repo):
        stored = hub.root / "models" / repo / "commits" / f"{commit}.json"
        assert Commit.from_json(json.loads(stored.read_bytes())).id == commit


def test_pull_requests_are_refused(api: HfApi, repo: str) -> None:
    error = refused(BadRequestError, 400, lambda: put(api, repo, {"a": b"1"}, create_pr=True))
    assert "no pull requests" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json\n",
        b"[1]\n",
        lines(HEADER, ("surprise", {"path": "a"})),
        lines(("header", {"summary": ""})),
        lines(("file", {"path": "a", "content": "YQ=="})),
        lines(HEADER, ("file", {"path": "a", "content": "not base64!"})),
        lines(HEADER, ("file", {"path": "a", "content": "YQ==", "encoding": "rot13"})),
        lines(HEADER, ("file", {"path": "a"})),
        lines(HEADER, ("lfsFile", {"path": "a", "oid": "../../tokens.json"})),
        lines(HEADER, ("file", {"path": "a", "content": ""}), ("file", {"path": "a/b", "content": ""})),
        lines(("header", {"summary": "x", "parentCommit": "main"}), ("file", {"path": "a", "content": ""})),
        *(
            lines(HEADER, ("file", {"path": path, "content": "YQ=="}))
            for path in ("../a", "a/../../b", "/etc/passwd", "a//b", "./a", "a/", "", "a\0b", ".git/config", "\ud800")
        ),
        lines(HEADER, ("deletedFolder", {"path": ""})),
    ],
)
def test_a_malformed_commit_changes_nothing(body: bytes, api: HfApi, repo: str, raw: httpx2.Client) -> None:
    answer = raw.post(f"/api/models/{repo}/commit/main", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert answer.headers["X-Error-Message"].isprintable()
    assert len(ids(api, repo)) == 1


def test_other_malformed_bodies_are_refused(repo: str, raw: httpx2.Client) -> None:
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/api/repos/create", {}),
        ("POST", "/api/repos/create", {"name": "x", "visibility": "hidden"}),
        ("POST", "/api/validate-yaml", {"content": 1}),
        ("PUT", f"/api/models/{repo}/settings", {"gated": "maybe"}),
        ("POST", f"/api/models/{repo}/preupload/main", {"files": ["a"]}),
        ("POST", f"/api/models/{repo}/preupload/main", {"files": [{"path": "../a", "size": 1}]}),
        ("POST", f"/api/models/{repo}/preupload/main", {"files": [{"path": "a", "size": "1"}]}),
        ("POST", f"/api/models/{repo}/branch/x", {"startingPoint": 1}),
        ("POST", f"/api/models/{repo}/tag/main", {}),
        ("POST", f"/{repo}.git/info/lfs/objects/batch", {"operation": "download", "objects": []}),
        ("POST", f"/{repo}.git/info/lfs/objects/batch", {"operation": "upload", "objects": [{"oid": "x", "size": 1}]}),
    ]
    for method, path, body in requests:
        assert raw.request(method, path, json=body).status_code == 400, path
        assert raw.request(method, path, content=b"{").status_code == 400, path
    assert raw.get(f"/api/models/{repo}/commits/main?cursor=-1").status_code == 400
    assert raw.get("/api/unknown").status_code == 404
    assert raw.patch(f"/api/models/{repo}").status_code == 405


# Names


@pytest.mark.parametrize(
    "path",
    [
        "/demo/{name}/resolve/main/../../../tokens.json",
        "/demo/{name}/resolve/main/..%2F..%2F..%2Ftokens.json",
        "/demo/{name}/resolve/main//tokens.json",
        "/demo/{name}/resolve/..%2F..%2F..%2Ftokens.json/x",
        "/demo/%2E%2E/resolve/main/tokens.json",
        "/%2E%2E/%2E%2E/resolve/main/tokens.json",
        "/api/%2E%2E/demo/{name}",
        "/api/models/..%2F../demo/tree/main",
        "/api/models/%2E/%2E",
        "/api/models/demo/{name}%00",
        "/api/**",
        "/gpt2/resolve/main/config.json",
    ],
)
def test_no_path_leads_out_of_a_repo(path: str, hub: LocalHub, repo: str) -> None:
    connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"))
    connection.request("GET", path.format(name=repo.split("/")[1]), headers={"Authorization": hub.write_token})
    answer = connection.getresponse()
    assert (answer.status, hub.write_token.encode() in answer.read()) == (404, False)
    connection.close()


def test_only_loopback_names_are_answered(hub: LocalHub) -> None:
    assert hub.endpoint.startswith("http://127.0.0.1:")
    assert httpx2.get(f"{hub.endpoint}/api/models", headers={"Host": "example.com"}).status_code == 400


# Branches, tags, history


def test_branches_and_tags(api: HfApi, repo: str, tmp_path: Path) -> None:
    first = put(api, repo, {"a": b"1"})
    api.create_branch(repo, branch="feature/x")
    api.create_tag(repo, tag="v1.0", tag_message="first")
    second = put(api, repo, {"a": b"2"}, revision="feature/x")
    api.create_branch(repo, branch="old", revision=first)
    api.create_tag(repo, tag="v2", revision="feature/x")
    refs = api.list_repo_refs(repo, include_pull_requests=True)
    branches = {ref.name: (ref.ref, ref.target_commit) for ref in refs.branches}
    assert branches["feature/x"] == ("refs/heads/feature/x", second)
    assert branches["main"][1] == branches["old"][1] == first
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1.0": first, "v2": second}
    for number, revision in enumerate(["feature/x", "v2", second, second[:7]]):
        assert fetch(api, repo, "a", tmp_path / str(number), revision=revision) == b"2"
        assert api.model_info(repo, revision=revision).sha == second
    assert fetch(api, repo, "a", tmp_path) == b"1"

    api.delete_tag(repo, tag="v2")
    api.delete_branch(repo, branch="feature/x")
    assert fetch(api, repo, "a", tmp_path / "pinned", revision=second) == b"2"  # what is pinned stays
    refused(RevisionNotFoundError, 404, lambda: api.delete_tag(repo, tag="v2"))
    refused(RevisionNotFoundError, 404, lambda: api.delete_branch(repo, branch="feature/x"))
    refused(HfHubHTTPError, 403, lambda: api.delete_branch(repo, branch="main"))


def test_refs_that_cannot_be_made(api: HfApi, repo: str) -> None:
    head = put(api, repo, {"a": b"1"})
    api.create_tag(repo, tag="v1")
    refused(HfHubHTTPError, 409, lambda: api.create_tag(repo, tag="v1"))
    refused(HfHubHTTPError, 409, lambda: api.create_branch(repo, branch="main"))
    api.create_tag(repo, tag="v1", exist_ok=True)
    api.create_branch(repo, branch="main", exist_ok=True)
    refused(BadRequestError, 400, lambda: api.create_branch(repo, branch="v1"))
    refused(RevisionNotFoundError, 404, lambda: api.create_tag(repo, tag="v2", revision="nowhere"))
    for name in ("refs/pr/1", "../x", "a..b", "/a", "a//b", "a b", "a.lock", "-a", "a\0", head, ""):
        refused(BadRequestError, 400, partial(api.create_tag, repo, tag=name))


def test_unknown_revisions_are_told_apart_from_unknown_repos(api: HfApi, repo: str, tmp_path: Path) -> None:
    for revision in ("nowhere", "0" * 40, ids(api, repo)[0][:6], "refs/pr/1"):
        refused(RevisionNotFoundError, 404, partial(api.model_info, repo, revision=revision))
        refused(RevisionNotFoundError, 404, partial(fetch, api, repo, "a", tmp_path, revision=revision))
    for revision in ("nowhere", ids(api, repo)[0]):  # a commit needs a branch
        refused(RevisionNotFoundError, 404, partial(put, api, repo, {"a": b"1"}, revision=revision))
    refused(RepositoryNotFoundError, 404, lambda: api.model_info("demo/none"))
    refused(RepositoryNotFoundError, 404, lambda: api.model_info("no-namespace"))
    refused(RepositoryNotFoundError, 404, lambda: put(api, "demo/none", {"a": b"1"}))
    with pytest.raises(RepositoryNotFoundError):
        fetch(api, "demo/none", "a", tmp_path)


def test_history_and_tree_come_in_pages(api: HfApi, repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_routes, "COMMITS_PAGE", 2)
    monkeypatch.setattr(tree_routes, "TREE_PAGE", 2)
    made = [put(api, repo, {f"d/{n}": b"%d" % n}, commit_message=f"<{n}>", commit_description="why") for n in range(5)]
    commits = api.list_repo_commits(repo, formatted=True)
    assert [commit.commit_id for commit in commits[:-1]] == made[::-1]
    assert (commits[0].title, commits[0].formatted_title, commits[0].message) == ("<4>", "&lt;4&gt;", "why")
    assert (commits[0].authors, commits[-1].title) == (["demo"], "initial commit")
    assert ids(api, repo, revision=made[1]) == [made[1], made[0], commits[-1].commit_id]
    assert [entry.path for entry in api.list_repo_tree(repo, "d")] == [f"d/{n}" for n in range(5)]


def test_tree_and_paths_say_what_changed_last(api: HfApi, repo: str) -> None:
    first = put(api, repo, {"a/b/c.txt": b"1", "a/d.bin": b"2"})
    second = put(api, repo, {"a/d.bin": b"3"})
    top = {entry.path: entry for entry in api.list_repo_tree(repo)}
    assert set(top) == {".gitattributes", "a"}
    below = {entry.path: entry for entry in api.list_repo_tree(repo, "a", recursive=True, expand=True)}
    assert {path: entry.last_commit and entry.last_commit.oid for path, entry in below.items()} == {
        "a/b": first,
        "a/b/c.txt": first,
        "a/d.bin": second,
    }
    folder, file = api.get_paths_info(repo, ["a", "a/d.bin", "none"], expand=True)
    assert isinstance(folder, RepoFolder)
    assert isinstance(file, RepoFile)
    assert folder.last_commit is not None
    assert (folder.last_commit.oid, file.lfs and file.lfs.size) == (second, 1)
    refused(RemoteEntryNotFoundError, 404, lambda: list(api.list_repo_tree(repo, "none")))


def test_models_are_described_and_found(api: HfApi, repo: str) -> None:
    commit = put(api, repo, {"README.md": CARD.encode(), "w.bin": b"weights"})
    info = api.model_info(repo, files_metadata=True)
    assert (info.sha, info.pipeline_tag, info.library_name) == (commit, "text-classification", "transformers")
    assert info.card_data is not None
    assert info.card_data.license == "mit"
    assert {"reviews", "license:mit"} <= set(info.tags or [])
    sizes = {file.rfilename: (file.size, file.lfs is not None) for file in info.siblings or []}
    assert sizes["w.bin"] == (7, True)
    assert sizes["README.md"] == (len(CARD), False)
    assert api.model_info(repo, expand=["sha"]).sha == commit
    assert api.model_info(repo, expand=["sha"]).siblings is None
    name = repo.split("/")[1]
    found: dict[str, Any] = {
        "author": "demo",
        "search": name.upper(),
        "filter": "reviews",
        "pipeline_tag": "text-classification",
    }
    assert [model.id for model in api.list_models(**found)] == [repo]
    for other in ({"author": "someone"}, {"search": "nothing"}, {"filter": ["reviews", "x"]}, {"pipeline_tag": "ner"}):
        assert list(api.list_models(**{**found, **other})) == []
    assert next(iter(api.list_models(sort="last_modified"))).last_modified is not None


# Downloads


def test_metadata_names_content_by_its_hash(hub: LocalHub, api: HfApi, repo: str) -> None:
    commit = put(api, repo, {"small.txt": b"small", "large.bin": b"large", "none.txt": b""})
    for path, etag in {
        "small.txt": git_hash("blob", b"small"),
        "large.bin": hashlib.sha256(b"large").hexdigest(),
        "none.txt": git_hash("blob", b""),
    }.items():
        url = hf_hub_url(repo, path, endpoint=hub.endpoint)
        metadata = get_hf_file_metadata(url, token=False, endpoint=hub.endpoint)
        assert (metadata.commit_hash, metadata.etag) == (commit, etag)
        assert (metadata.size, metadata.location) == (len(path) - 4 if "none" not in path else 0, url)


def test_part_of_a_file_can_be_fetched(hub: LocalHub, api: HfApi, repo: str, tmp_path: Path) -> None:
    put(api, repo, {"large.bin": LARGE})
    url = hf_hub_url(repo, "large.bin", endpoint=hub.endpoint)
    part = httpx2.get(url, headers={"Range": "bytes=1000000-1000099"})
    assert (part.status_code, part.content) == (206, LARGE[1_000_000:1_000_100])
    assert part.headers["Content-Range"] == f"bytes 1000000-1000099/{len(LARGE)}"
    assert httpx2.get(url, headers={"Range": "bytes=-3"}).content == LARGE[-3:]
    assert httpx2.get(url, headers={"Range": f"bytes={len(LARGE)}-"}).status_code == 416
    assert httpx2.head(url).headers["Accept-Ranges"] == "bytes"
    with (tmp_path / "partial").open("w+b") as file:  # as the client goes on after a connection has broken
        file.write(LARGE[:5_000_001])
        http_get(url, file, resume_size=5_000_001, expected_size=len(LARGE))
        file.seek(0)
        assert file.read() == LARGE


def test_a_missing_file_is_remembered_as_missing(api: HfApi, repo: str, tmp_path: Path) -> None:
    for path in ("none.txt", "a", "a/none.txt"):
        commit = put(api, repo, {"a/b.txt": path.encode()})
        with pytest.raises(EntryNotFoundError):
            fetch(api, repo, path, tmp_path)
        assert list(tmp_path.glob(f"*/.no_exist/{commit}/{path}"))


# Rights


def test_a_private_repo_is_invisible_to_strangers(api: HfApi, reader: HfApi, stranger: HfApi, tmp_path: Path) -> None:
    repo = f"demo/private-{next(NUMBERS)}"
    api.create_repo(repo, private=True)
    put(api, repo, {"a.txt": b"secret"})
    assert api.model_info(repo).private
    assert fetch(reader, repo, "a.txt", tmp_path / "reader") == b"secret"
    attempts: list[Callable[[], object]] = [
        lambda: stranger.model_info(repo),
        lambda: list(stranger.list_repo_tree(repo)),
        lambda: stranger.list_repo_commits(repo),
        lambda: stranger.list_repo_refs(repo),
        lambda: stranger.get_paths_info(repo, "a.txt"),
        lambda: fetch(stranger, repo, "a.txt", tmp_path / "stranger"),
        lambda: put(stranger, repo, {"a.txt": b"1"}),
        lambda: stranger.auth_check(repo),
    ]
    for attempt in attempts:
        refused(RepositoryNotFoundError, 404, attempt)
    assert repo in {model.id for model in reader.list_models()}
    assert repo not in {model.id for model in stranger.list_models()}
    api.update_repo_settings(repo, private=False)
    assert fetch(stranger, repo, "a.txt", tmp_path / "now public") == b"secret"


def test_a_gated_repo_shows_its_card_only(api: HfApi, stranger: HfApi, repo: str, tmp_path: Path) -> None:
    put(api, repo, {"README.md": CARD.encode(), "a.txt": b"gated"})
    api.update_repo_settings(repo, gated="manual")
    assert stranger.model_info(repo).gated == "manual"
    refused(GatedRepoError, 403, lambda: fetch(stranger, repo, "a.txt", tmp_path))
    refused(GatedRepoError, 403, lambda: stranger.snapshot_download(repo, cache_dir=tmp_path))
    refused(GatedRepoError, 403, lambda: stranger.auth_check(repo))
    api.auth_check(repo)
    assert fetch(api, repo, "a.txt", tmp_path) == b"gated"


def test_writing_needs_the_right_to(api: HfApi, reader: HfApi, stranger: HfApi, repo: str, raw: httpx2.Client) -> None:
    for caller, status in ((reader, 403), (stranger, 401)):
        attempts: list[Callable[[], object]] = [
            partial(put, caller, repo, {"a.txt": b"1"}),
            partial(caller.create_repo, "demo/new"),
            partial(caller.delete_repo, repo),
            partial(caller.create_tag, repo, tag="v1"),
            partial(caller.delete_branch, repo, branch="x"),
            partial(caller.update_repo_settings, repo, private=True),
            partial(caller.auth_check, repo, write=True),
        ]
        for attempt in attempts:
            refused(HfHubHTTPError, status, attempt)
    reader.auth_check(repo)
    api.auth_check(repo, write=True)
    wrong = {"Authorization": "Bearer nobody"}
    assert raw.get("/api/models", headers=wrong).status_code == 401
    assert raw.get(f"/api/models/{repo}", headers=wrong).status_code == 401
    assert raw.post(f"/api/models/{repo}/commit/main", headers=wrong).status_code == 401
    assert raw.post(f"/{repo}.git/info/lfs/objects/batch", headers=wrong, json={}).status_code == 401


# Restarts


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    with serving(tmp_path / "hub") as before:
        api = HfApi(endpoint=before.endpoint, token=before.write_token)
        api.create_repo("demo/x", private=True)
        commit = put(api, "demo/x", {"a.txt": b"1", "b.bin": b"2"})
        api.create_tag("demo/x", tag="v1")
        with pytest.raises(RuntimeError, match="already being served"), serving(tmp_path / "hub"):
            pass
    (tmp_path / "hub" / "tmp" / "left over").write_bytes(b"x")
    with serving(tmp_path / "hub", int(before.endpoint.rsplit(":")[-1])) as after:
        assert after == before
        assert ids(api, "demo/x", revision="v1")[0] == commit
        assert api.model_info("demo/x").private
        assert fetch(api, "demo/x", "b.bin", tmp_path) == b"2"
        assert list((tmp_path / "hub" / "tmp").iterdir()) == []
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(after.endpoint)


@contextmanager
def server_process(root: Path) -> Iterator[tuple[subprocess.Popen[str], str, dict[str, str]]]:
    """`run` in a process of its own: the process, its endpoint, and headers with its write token."""
    code = "import sys, pathlib, train.localhub; train.localhub.run(pathlib.Path(sys.argv[1]), 0)"
    command = [sys.executable, "-W", "error", "-c", code, str(root)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            process.stdout.readline()
            settings = dict(word.split("=") for word in process.stdout.readline().split()[1:])
            yield process, settings["HF_ENDPOINT"], {"Authorization": f"Bearer {settings['HF_TOKEN']}"}
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly(stop: signal.Signals, tmp_path: Path) -> None:
    with server_process(tmp_path) as (process, endpoint, headers):
        assert httpx2.get(f"{endpoint}/api/whoami-v2", headers=headers).status_code == 200
        process.send_signal(stop)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


def test_a_kill_at_any_moment_leaves_a_consistent_store(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for round_number in range(1, 4):
        with server_process(tmp_path) as (process, endpoint, headers), ThreadPoolExecutor(4) as pool:
            httpx2.post(f"{endpoint}/api/repos/create", json={"name": "x"}, headers=headers)
            writers = [pool.submit(write_until_killed, endpoint, headers, acknowledged) for _ in range(4)]
            deadline = time.monotonic() + 30
            while len(acknowledged) < 4 * round_number and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.03))
            process.kill()
            for writer in writers:
                writer.result()
        with serving(tmp_path) as hub:
            check_store(hub, acknowledged)
    assert len(acknowledged) >= 12


def write_until_killed(endpoint: str, headers: dict[str, str], acknowledged: list[str]) -> None:
    with httpx2.Client(base_url=endpoint, headers=headers) as client:
        while True:
            changes = [
                ("file", {"path": f"{random.random()}.txt", "content": b64encode(random.randbytes(20_000)).decode()})
                for _ in range(3)
            ]
            try:
                answer = client.post("/api/models/demo/x/commit/main", content=lines(HEADER, *changes))
            except httpx2.HTTPError:
                return
            acknowledged.append(answer.json()["commitOid"])


def check_store(hub: LocalHub, acknowledged: list[str]) -> None:
    """Every acknowledged commit is in the history, every commit is what its id says, and so is every file."""
    api, folder = HfApi(endpoint=hub.endpoint, token=hub.write_token), hub.root / "models/demo/x"
    history, blobs = ids(api, "demo/x"), {}
    assert set(acknowledged) <= set(history)
    assert len(history) <= len(acknowledged) + 1 + 3 * (4 + 1)  # the first; and a round: what was cut off, and `after`
    for commit_id in history:
        commit = Commit.from_json(json.loads((folder / "commits" / f"{commit_id}.json").read_bytes()))
        assert commit.id == commit_id
        for file in commit.files.values():
            blobs[file.blob_id] = folder / "blobs" / file.blob_id
    assert all(git_hash("blob", path.read_bytes()) == blob_id for blob_id, path in blobs.items())
    put(api, "demo/x", {"after.txt": str(len(history)).encode()})


# Transformers


def test_a_pipeline_is_published_and_loaded_at_its_commit(hub: LocalHub, api: HfApi, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.write_token, "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HOME": str(tmp_path / "home"), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    commit, before, after, inferred = json.loads(done.stdout.splitlines()[-1])
    assert before == after == inferred
    assert files_in(api, "demo/x", revision=commit) > {"config.json", "model.safetensors", "README.md"}


PIPELINE = """
import json
from pathlib import Path
import torch
from huggingface_hub import HfApi, create_repo, upload_file
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, pipeline

torch.manual_seed(0)
Path("vocab.txt").write_text("\\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s"]))
tokenizer = BertTokenizerFast("vocab.txt")
config = BertConfig(vocab_size=9, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
model = BertForSequenceClassification(config).eval()
before = pipeline("text-classification", model=model, tokenizer=tokenizer)(["good films", "bad film"])

create_repo("demo/x")
card = "---\\npipeline_tag: text-classification\\nlibrary_name: transformers\\n---\\n"
upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id="demo/x")
model.push_to_hub("demo/x")
sha = tokenizer.push_to_hub("demo/x").oid
after = pipeline("text-classification", model="demo/x", revision=sha)(["good films", "bad film"])
inferred = pipeline(model="demo/x")(["good films", "bad film"])
print(json.dumps([sha, before, after, inferred]))
"""
