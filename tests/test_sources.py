"""Kinds of source: a file, a data set on the Hub at its commit, addresses on the web."""

import io
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from huggingface_hub import constants

from core import data, hub, sources
from core import recipe as recipes
from core.data import SPLITS
from core.errors import DataError, HubUnreachable, IntegrityError, NotOnHub
from core.recipe import Data, Recipe

LABELS = ("negative", "positive")
_numbers = count()
Repo = dict[str, pd.DataFrame]


def rows(split: str, n: int = 6) -> pd.DataFrame:
    texts = [f"{split} text {i}" for i in range(n)]
    return pd.DataFrame({"sentence": texts, "label": [i % 2 for i in range(n)], "idx": range(n)})


FILES = {
    "plain/train-00000-of-00002.parquet": rows("first"),
    "plain/train-00001-of-00002.parquet": rows("second"),
    "plain/validation-00000-of-00001-0123456789abcdef.parquet": rows("validation"),
    "plain/test-00000-of-00001.parquet": rows("test").assign(label=-1),
    "other/train-00000-of-00001.parquet": rows("other"),
    "train-00000-of-00001.parquet": rows("root"),
    "train-extra-00000-of-00001.parquet": rows("extra"),
}


def publish(files: Repo) -> str:
    """A data set on the tests' Hub: `demo/name@commit`."""
    repo = f"demo/reviews-{next(_numbers)}"
    hub.api().create_repo(repo, repo_type="dataset")
    for path, frame in files.items():
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        found = hub.api().upload_file(
            path_or_fileobj=buffer.getvalue(), path_in_repo=path, repo_id=repo, repo_type="dataset"
        )
    return f"{repo}@{found.oid}"


@pytest.fixture(scope="module")
def dataset() -> str:
    return publish(FILES)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the Hub client's that nothing is in yet."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def recipe(**keys: Any) -> Recipe:
    values = {"name": "x", "title": "x", "labels": LABELS, "encoder": "x", "data": keys}
    return recipes.parse(values, "x")


def on_hub(named: str, **keys: Any) -> Recipe:
    given = {"config": "plain", "text": "sentence", "validation": 0.25, "test": "validation", "id": ""}
    return recipe(hub=named, **(given | keys))


def test_every_kind_of_source_has_a_reader() -> None:
    assert set(sources.READERS) == set(recipes.SOURCES)


def test_a_data_set_on_the_hub_gives_splits(dataset: str) -> None:
    splits = data.load_splits(on_hub(dataset))
    assert [len(splits[name]) for name in SPLITS] == [9, 3, 6]
    assert splits["test"]["text"].tolist() == [f"validation text {n}" for n in range(6)]
    carved_from = pd.concat([splits["train"], splits["validation"]])
    assert sorted(carved_from["text"]) == sorted(f"{part} text {n}" for part in ("first", "second") for n in range(6))
    assert sorted(pd.concat(splits)["id"].astype(int)) == list(range(18))


def test_rows_keep_the_order_of_their_files(dataset: str) -> None:
    table = sources.read(on_hub(dataset).data, LABELS)
    assert table["sentence"].tolist() == [f"{x} text {n}" for x in ("first", "second", "validation") for n in range(6)]
    assert table[sources.SPLIT].tolist() == ["train"] * 12 + ["validation"] * 6
    assert table.index.tolist() == list(range(18))


def test_only_the_splits_that_are_needed_are_fetched(dataset: str, cache: Path) -> None:
    data.load_splits(on_hub(dataset))
    fetched = {path.relative_to(path.parents[1]).as_posix() for path in cache.rglob("*.parquet")}
    assert fetched == {name for name in FILES if name.startswith(("plain/train", "plain/validation"))}


def test_unlabelled_rows_are_refused_where_they_are_to_be_measured_on(dataset: str) -> None:
    with pytest.raises(DataError, match="does not know: -1"):
        data.load_splits(on_hub(dataset, test="test"))


@pytest.mark.parametrize(("config", "first"), [("", "root text 0"), ("other", "other text 0")])
def test_a_configuration_is_a_folder(dataset: str, config: str, first: str) -> None:
    table = sources.read(on_hub(dataset, config=config, test=0.2).data, LABELS)
    assert (table["sentence"][0], len(table)) == (first, 6)


def test_a_data_set_has_to_be_pinned(dataset: str) -> None:
    repo, commit = dataset.split("@")
    for named in (repo, f"{repo}@main"):
        with pytest.raises(DataError, match=f"Write {repo}@{commit}"):
            data.load_splits(on_hub(named))


def test_an_older_commit_is_read_as_it_was(dataset: str) -> None:
    named = publish({"data/train-0.parquet": rows("old")})
    repo, _ = named.split("@")
    hub.api().delete_file("data/train-0.parquet", repo, repo_type="dataset")
    table = sources.read(on_hub(named, config="data", test=0.2).data, LABELS)
    assert table["sentence"][0] == "old text 0"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"test": "dev"}, "has no plain/dev-*.parquet. Splits there: test, train, validation."),
        ({"config": "none"}, "has no none/train-*.parquet. Splits there: none."),
        ({"text": "text"}, "has no column text; it has sentence, label, idx."),
        ({"id": "idx"}, "column idx must name each example once; 0 stands twice"),
    ],
)
def test_what_is_missing_on_the_hub_is_said(dataset: str, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        data.load_splits(on_hub(dataset, **keys))
    assert said in str(caught.value)


def test_a_split_must_be_there_whole() -> None:
    named = publish({name: frame for name, frame in FILES.items() if name != "plain/train-00001-of-00002.parquet"})
    with pytest.raises(DataError, match="of 2 files of plain/train there are 1"):
        data.load_splits(on_hub(named))


def test_a_data_set_that_is_not_there_is_named() -> None:
    with pytest.raises(NotOnHub, match="demo/nowhere"):
        data.load_splits(on_hub(f"demo/nowhere@{'0' * 40}"))


def test_a_file_that_is_no_table_is_named() -> None:
    repo, _ = publish({"data/train-0.parquet": rows("x")}).split("@")
    broken = hub.api().upload_file(
        path_or_fileobj=b"PAR1 and so on", path_in_repo="data/train-0.parquet", repo_id=repo, repo_type="dataset"
    )
    with pytest.raises(DataError, match=r"data/train-0\.parquet of .* cannot be read as parquet"):
        data.load_splits(on_hub(f"{repo}@{broken.oid}", config="data", test=0.2))


@pytest.fixture
def flipped(cache: Path, dataset: str) -> Path:
    """One file of the data set, here in the cache, with a byte that is another."""
    data.load_splits(on_hub(dataset))
    path = next(cache.rglob("train-00001*.parquet")).resolve()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def test_bytes_that_the_hub_does_not_list_are_not_read(flipped: Path, dataset: str) -> None:
    with pytest.raises(IntegrityError, match=r"plain/train-00001.*not those that the Hub lists. Delete .* try again"):
        data.load_splits(on_hub(dataset))
    flipped.unlink()
    data.load_splits(on_hub(dataset))


def test_small_files_are_checked_by_their_git_hash(cache: Path) -> None:
    # Not every file is stored as LFS: the Hub names the others as git does.
    repo, _ = publish({"data/train-0.parquet": rows("x")}).split("@")
    for path in ("text.txt", "large.parquet"):
        commit = (
            hub.api().upload_file(path_or_fileobj=b"small", path_in_repo=path, repo_id=repo, repo_type="dataset").oid
        )
    stated = hub.dataset_hashes(repo, commit)
    assert (len(stated["text.txt"]), len(stated["large.parquet"])) == (40, 64)
    for name, path in hub.fetch_dataset(repo, commit, ["text.txt", "large.parquet"]).items():
        sources._require_hash(path, stated[name], name)
        path.resolve().write_bytes(b"other")
        with pytest.raises(IntegrityError, match=name):
            sources._require_hash(path, stated[name], name)


def test_without_the_hub_the_cache_is_read_and_checked(
    dataset: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data.load_splits(on_hub(dataset))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    after = data.load_splits(on_hub(dataset))
    assert all(before[name].equals(after[name]) for name in SPLITS)
    next(cache.rglob("train-00001*.parquet")).resolve().write_bytes(b"other")
    with pytest.raises(IntegrityError):
        data.load_splits(on_hub(dataset))


def test_without_hub_and_cache_the_hub_is_missed(dataset: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable, match="is not in the cache"):
        data.load_splits(on_hub(dataset))


CARVE = """
import sys
from core import data
from core import recipe as recipes
values = {"name": "x", "title": "x", "labels": ["negative", "positive"], "encoder": "x", "data": {
    "hub": sys.argv[1], "config": "plain", "text": "sentence", "validation": 0.25, "test": "validation", "id": ""}}
print({name: data.fingerprint(frame) for name, frame in data.load_splits(recipes.parse(values, "x")).items()})
"""


def test_another_process_gets_the_same_splits(dataset: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CARVE, dataset],
        cwd=sources.PROJECT, env=os.environ | {"PYTHONHASHSEED": "123"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(
        {name: data.fingerprint(frame) for name, frame in data.load_splits(on_hub(dataset)).items()}
    )


def test_a_file_that_names_its_splits_keeps_their_names(tmp_path: Path) -> None:
    rows("x").assign(split=["a", "b"] * 3).to_csv(tmp_path / "x.csv", index=False)
    source = Data(file=str(tmp_path / "x.csv"), text="sentence")
    assert sources.read(source, LABELS)[sources.SPLIT].tolist() == ["a", "b"] * 3
    assert sources.read(source.model_copy(update={"split": ""}), LABELS)[sources.SPLIT].tolist() == ["train"] * 6
