"""Data sets on the local hub, through the Hub's own client: they live as models do, under /datasets."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from train.localhub import LocalHub, serving
from train.localhub.objects import git_hash

# The client's own way of sending a large file is deprecated by the HTTP library that it uses.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

REPO = "demo/reviews"
CARD = b"---\nlicense: mit\ntags: [reviews]\n---\n# Reviews\n"
FILES = {
    "README.md": CARD,
    "plain_text/train-00000-of-00002.parquet": b"PAR1 one",
    "plain_text/train-00001-of-00002.parquet": bytes(range(256)) * 20_000,  # 5 MB
    "plain_text/test-00000-of-00001.parquet": b"PAR1 test",
    "data.jsonl": b"{}\n",
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with serving(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(autouse=True)
def plain_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads this setting from the environment when it is imported, which is too late here."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture(scope="module")
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.write_token)


@pytest.fixture(scope="module")
def commit(api: HfApi, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set of a few files, uploaded as a folder; and a model of the same name."""
    folder = tmp_path_factory.mktemp("reviews")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    api.create_repo(REPO)
    api.create_repo(REPO, repo_type="dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        return api.upload_folder(repo_id=REPO, folder_path=folder, repo_type="dataset").oid


def test_its_files_are_described_with_sizes_and_hashes(api: HfApi, commit: str) -> None:
    info = api.dataset_info(REPO, revision=commit, files_metadata=True)
    listed = {each.rfilename: each for each in info.siblings or [] if each.rfilename != ".gitattributes"}
    assert (info.id, info.sha, info.author, info.private) == (REPO, commit, "demo", False)
    assert {name: each.size for name, each in listed.items()} == {name: len(content) for name, content in FILES.items()}
    for name, content in FILES.items():
        lfs = listed[name].lfs
        if name.endswith(".parquet"):
            assert lfs
            assert lfs.sha256 == hashlib.sha256(content).hexdigest()
        else:
            assert (lfs, listed[name].blob_id) == (None, git_hash("blob", content))
    assert api.repo_info(REPO, repo_type="dataset").sha == commit
    assert info.card_data
    assert info.card_data["license"] == "mit"


def test_its_files_are_listed(api: HfApi, commit: str) -> None:
    assert set(api.list_repo_files(REPO, repo_type="dataset")) == {*FILES, ".gitattributes"}
    folder = {each.path for each in api.list_repo_tree(REPO, "plain_text", repo_type="dataset", revision=commit)}
    assert folder == {name for name in FILES if "/" in name}
    assert commit in {each.commit_id for each in api.list_repo_commits(REPO, repo_type="dataset")}
    assert [each.id for each in api.list_datasets(search="REVIEWS", filter="reviews")] == [REPO]
    assert api.file_exists(REPO, "data.jsonl", repo_type="dataset")


def test_it_comes_back_as_it_was(api: HfApi, commit: str, tmp_path: Path) -> None:
    folder = Path(api.snapshot_download(REPO, repo_type="dataset", revision=commit, cache_dir=tmp_path))
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    api.verify_repo_checksums(REPO, repo_type="dataset", revision=commit, cache_dir=tmp_path)
    (one,) = api.get_paths_info(REPO, ["data.jsonl"], repo_type="dataset")
    assert one.path == "data.jsonl"


def test_some_of_its_files_can_be_fetched(api: HfApi, commit: str, tmp_path: Path) -> None:
    folder = Path(
        api.snapshot_download(
            REPO, repo_type="dataset", revision=commit, cache_dir=tmp_path, allow_patterns="*/test-*.parquet"
        )
    )
    assert [path.name for path in folder.rglob("*.*")] == ["test-00000-of-00001.parquet"]
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(REPO, "none.parquet", repo_type="dataset", revision=commit, cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(REPO, "data.jsonl", repo_type="dataset", revision="0" * 40, cache_dir=tmp_path)


def test_the_model_of_its_name_is_another_repo(api: HfApi, hub: LocalHub, commit: str) -> None:
    assert api.model_info(REPO).sha != commit
    assert httpx2.get(hf_hub_url(REPO, "data.jsonl", endpoint=hub.endpoint)).status_code == 404
    url = hf_hub_url(REPO, "data.jsonl", repo_type="dataset", revision=commit, endpoint=hub.endpoint)
    assert httpx2.get(url).content == FILES["data.jsonl"]


def test_its_past_stays(api: HfApi, commit: str, tmp_path: Path) -> None:
    changed = [CommitOperationAdd("data.jsonl", b"{1}\n")]
    later = api.create_commit(REPO, changed, commit_message="Change", repo_type="dataset", revision="main").oid
    contents = [
        Path(api.hf_hub_download(REPO, "data.jsonl", repo_type="dataset", revision=each, cache_dir=tmp_path))
        for each in (commit, later)
    ]
    assert [path.read_bytes() for path in contents] == [b"{}\n", b"{1}\n"]


def test_a_private_data_set_is_invisible_to_strangers(api: HfApi, hub: LocalHub) -> None:
    api.create_repo("demo/secret", repo_type="dataset", private=True)
    stranger = HfApi(endpoint=hub.endpoint, token=False)
    with pytest.raises(RepositoryNotFoundError):
        stranger.dataset_info("demo/secret")
    api.delete_repo("demo/secret", repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("demo/secret")
