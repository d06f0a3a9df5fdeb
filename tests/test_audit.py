"""The audit of splits, and the scores without texts that were read before."""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tomli_w
from streamlit.testing.v1 import AppTest

from core import audit, data, hub, metrics, views, wording
from core import recipe as recipes
from core.data import SPLITS
from core.files import PROJECT
from core.hub import MANIFEST
from core.metrics import WITHOUT_LEAKS, Outcome
from core.runs import Run
from core.verify import verify
from tests import tiny as maker
from train.fit import fit
from train.publish import publish

LABELS = ("negative", "positive")
BETWEEN = ("train in validation", "train in test", "validation in test")


def frame(*found: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(found, columns=["id", "text", "label"])


def of(train: list[str], validation: list[str] = [], test: list[str] = []) -> dict[str, Any]:  # noqa: B006
    """The audit of splits with these texts, all of one label."""
    splits = {
        name: pd.DataFrame({"id": [f"{name}{n}" for n in range(len(texts))], "text": texts, "label": 0})
        for name, texts in zip(SPLITS, (train, validation, test), strict=True)
    }
    return audit.audit(splits, LABELS)


def test_the_audit_counts_repeats_leaks_and_labels() -> None:
    splits = {
        "train": frame(("1", "A  good film", 1), ("2", "a good\nfilm", 1), ("3", "dull", 0), ("4", "odd", 1)),
        "validation": frame(("5", "DULL", 0), ("6", "new", 1)),
        "test": frame(("7", "a good film ", 1), ("8", "New", 0), ("9", "other", 0), ("10", "odd", 1)),
    }
    assert audit.audit(splits, LABELS) == {
        "duplicates": {"train": 1, "validation": 0, "test": 0},
        "leaks": {"train in validation": 1, "train in test": 3, "validation in test": 1},
        "exact_duplicates": {"train": 0, "validation": 0, "test": 0},
        "exact_leaks": {"train in validation": 0, "train in test": 1, "validation in test": 0},
        "near_duplicates": {"train": 0, "validation": 0, "test": 0},
        "near_leaks": {"train in validation": 0, "train in test": 0, "validation in test": 0},
        "conflicts": dict.fromkeys(SPLITS, 0) | dict.fromkeys(BETWEEN, 0) | {"validation in test": 1},
        "empty": {"train": 0, "validation": 0, "test": 0},
        "balance": {
            "train": {"negative": 1, "positive": 3},
            "validation": {"negative": 1, "positive": 1},
            "test": {"negative": 2, "positive": 2},
        },
        "leaked": {"validation": ["5"], "test": ["7", "8", "10"]},
    }


def test_rows_are_counted_not_texts() -> None:
    found = of(["a", "a", "A", "b"], ["a", "a"], ["b", "b", "b"])
    assert (found["duplicates"], found["exact_duplicates"]) == (
        {"train": 2, "validation": 1, "test": 2},
        {"train": 1, "validation": 1, "test": 2},
    )
    assert found["leaks"] == {"train in validation": 3, "train in test": 1, "validation in test": 0}
    assert found["leaked"] == {"validation": ["validation0", "validation1"], "test": ["test0", "test1", "test2"]}


def test_pairs_are_repeats_only_where_both_texts_are() -> None:
    pairs = pd.DataFrame({"id": list("1234"), "text": ["a"] * 4, "text_pair": ["x", "y", "X", "x "], "label": 0})
    assert audit.audit(dict.fromkeys(SPLITS, pairs), LABELS)["duplicates"]["train"] == 2


def test_conflicts_are_rows_with_another_label_elsewhere() -> None:
    splits = {
        "train": frame(("1", "a", 0), ("2", "A", 1), ("3", "a", 1), ("4", "b", 0)),
        "validation": frame(("5", "b", 1)),
        "test": frame(("6", "a", 0), ("7", "b", 1), ("8", "c", 1), ("9", "c", 0)),
    }
    assert audit.audit(splits, LABELS)["conflicts"] == {
        "train": 3, "validation": 0, "test": 2, "train in validation": 1, "train in test": 3, "validation in test": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("text", "empty"), [("", 1), (" \n\t", 1), ("\u3000", 1), (".", 0)])
def test_texts_of_nothing_are_counted(text: str, empty: int) -> None:
    assert of(["x", text])["empty"]["train"] == empty
    pairs = pd.DataFrame({"id": list("12"), "text": ["a", text], "text_pair": [text, "x"], "label": 0})
    assert audit.audit(dict.fromkeys(SPLITS, pairs), LABELS)["empty"]["test"] == 2 * empty


def test_rows_with_another_label_anywhere_are_told_by_split() -> None:
    splits = {
        "train": frame(("1", "a film", 1), ("2", "dull", 0), ("3", "dull", 0)),
        "validation": frame(("4", "A  Film", 1), ("5", "new", 1), ("6", "new", 0)),
        "test": frame(("7", "a film", 0), ("8", "dull", 0), ("9", "other", 1)),
    }
    found = {name: rows.tolist() for name, rows in audit.conflicting(splits).items()}
    assert found == {"train": [True, False, False], "validation": [True, True, True], "test": [True, False, False]}


def words(n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(n)]


def changed(text: list[str], *places: int) -> str:
    return " ".join("CHANGED" if n in places else word for n, word in enumerate(text))


def test_nearly_the_same_texts_are_counted_apart() -> None:
    text, other = words(100, 1), words(100, 2)
    found = of(
        [changed(text), changed(text).upper(), changed(text, 50), changed(other)],
        [changed(other, 0)],
        [changed(text, 99), changed(other), changed(words(100, 3))],
    )
    assert found["duplicates"] == {"train": 1, "validation": 0, "test": 0}
    assert found["near_duplicates"] == {"train": 1, "validation": 0, "test": 0}
    assert found["leaks"] == {"train in validation": 0, "train in test": 1, "validation in test": 0}
    assert found["near_leaks"] == {"train in validation": 1, "train in test": 3, "validation in test": 1}
    assert found["leaked"] == {"validation": [], "test": ["test1"]}


@pytest.mark.parametrize(
    ("places", "near"),
    [
        ([0, 1, 2, 3], True),  # 92 of 100 shingles stay
        ([10, 11, 12, 13, 14, 15], True),  # 86 of 96, so 86 / 106
        ([10, 50], True),  # 86 / 106
        ([10, 40, 70], False),  # 81 / 111
    ],
)
def test_near_means_a_jaccard_similarity_of_four_fifths(places: list[int], near: bool) -> None:
    text = words(100, 4)
    one, other = " ".join(text), changed(text, *places).lower()
    pairs = audit.near_pairs([one, " ".join(words(100, 5)), other])
    assert pairs == ({one: {other}, other: {one}} if near else {})


def test_nearly_all_near_pairs_are_found() -> None:
    # The least that counts as near: MinHash alone would miss some of these.
    texts = [words(104, seed) for seed in range(150)]
    both = [text for each in texts for text in (" ".join(each), changed(each, 20, 60).lower())]
    assert len(audit.near_pairs(both)) >= 296


def test_short_texts_are_near_nothing() -> None:
    assert audit.near_pairs(["a good film", "a good film indeed", "a good", ""]) == {}


def test_a_pair_is_near_another_as_a_whole() -> None:
    text, other = " ".join(words(60, 6)), " ".join(words(60, 7))
    near = f"{text}\0{changed(other.split(), 59).lower()}"
    assert set(audit.near_pairs([f"{text}\0{other}", near, f"{text}\0{' '.join(words(60, 8))}"])) == {
        f"{text}\0{other}",
        near,
    }


def test_texts_from_one_mould_take_no_forever() -> None:
    mould = words(60, 9)
    texts = [f"{' '.join(mould)} {n}" for n in range(300)]
    assert of(texts)["near_duplicates"]["train"] == 299


def test_a_description_states_rows_and_fingerprints() -> None:
    splits = {name: frame(("1", "a", 0), ("2", "b", 1)) for name in SPLITS}
    found = audit.describe(splits, LABELS)
    assert found["splits"] == {name: {"rows": 2, "sha256": data.fingerprint(splits[name])} for name in SPLITS}
    assert found["audit"] == audit.audit(splits, LABELS)


# A run whose test texts were partly read before


FEW = 10
LEAKED = ["r150", "r160", "r170"]


@pytest.fixture(scope="module")
def leaky(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny recipe with three test texts that stand in train or validation, too; one epoch."""
    folder = tmp_path_factory.mktemp("leaky")
    rows = [json.loads(line) for line in (tiny.parent / "reviews.jsonl").read_text().splitlines()]
    by_id = {row["id"]: row for row in rows}
    for number, old in zip(LEAKED, ("r3", "r7", "r130"), strict=True):
        by_id[number]["text"] = by_id[old]["text"].upper()
    (folder / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    values = maker.values(tiny.parent) | {"data": {"file": str(folder / "reviews.jsonl")}}
    (folder / "leaky.toml").write_text(tomli_w.dumps(values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "RESAMPLES", FEW)
        return fit(recipes.load(folder / "leaky.toml", ["training.epochs=1"]))


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the leaky run was measured."""
    monkeypatch.setattr(metrics, "RESAMPLES", FEW)


@pytest.mark.usefixtures("few_resamples")
def test_a_run_has_scores_without_the_texts_that_were_read_before(leaky: Run) -> None:
    found = leaky.record.predictions("test")
    assert set(LEAKED) <= set(leaky.record.data["audit"]["leaked"]["test"])
    kept = [number not in leaky.record.data["audit"]["leaked"]["test"] for number in found.id]
    stated = leaky.record.metrics["splits"]
    assert list(stated) == ["validation", "test", WITHOUT_LEAKS]
    expected = metrics.summary(Outcome.of_logits(found.logits[kept], found.label[kept]), leaky.record.labels)
    assert stated[WITHOUT_LEAKS] == json.loads(json.dumps(expected))
    assert stated["test"]["n"] == len(kept)


def test_the_card_says_what_becomes_of_the_accuracy(leaky: Run) -> None:
    text = (leaky.path / "card.md").read_text()
    without = leaky.record.metrics["splits"][WITHOUT_LEAKS]
    leaked = len(leaky.record.data["audit"]["leaked"]["test"])
    assert (
        f"Of the test texts, {leaked} stand in training or validation, too. Without them, accuracy is "
        f"{wording.figure(without['accuracy']['value'])} (95% interval {wording.interval(without['accuracy'])}, "
        f"{32 - leaked} examples)." in text
    )


@pytest.mark.parametrize(("split", "shown"), [("test", True), ("validation", False)])
def test_the_evaluation_page_says_it_of_the_test_split(leaky: Run, split: str, shown: bool) -> None:
    app = AppTest.from_file(str(PROJECT / "pages" / "Evaluation.py"), default_timeout=60)
    app.query_params["model"], app.query_params["split"] = leaky.name, split
    app.run()
    said = wording.leaks(leaky.record.metrics["splits"])
    assert (said in [caption.value for caption in app.caption]) is shown


def test_without_leaks_there_is_nothing_to_say(run: Run) -> None:
    assert wording.leaks(run.record.metrics["splits"]) == ""
    assert run.record.data["audit"]["leaked"] == {"validation": [], "test": []}
    assert list(run.record.metrics["splits"]) == ["validation", "test"]
    assert "stand in training or validation, too" not in (run.path / "card.md").read_text()


def test_a_record_that_knows_no_leaked_ids_is_measured_as_before(run: Run) -> None:
    record = Run(run.path).record
    del record.data["audit"]["leaked"]
    assert list(audit.measured(record)) == ["validation", "test"]


def test_scores_without_leaks_where_nothing_is_left_are_left_out(run: Run) -> None:
    record = Run(run.path).record
    record.data["audit"]["leaked"]["test"] = record.predictions("test").id.tolist()
    assert WITHOUT_LEAKS not in audit.measured(record)


def test_further_findings_are_shown_where_there_are_any(leaky: Run) -> None:
    found = json.loads(json.dumps(leaky.record.data))
    found["audit"] |= {"near_leaks": {"train in test": 4, "train in validation": 0}, "empty": {"train": 1234}}
    shown = dict(views.audit(found).itertuples(index=False, name=None))
    assert shown["train in test: texts that nearly stand in the other"] == "4"
    assert shown["train: empty texts"] == "1,234"
    assert "train in validation: texts that nearly stand in the other" not in shown


@pytest.mark.usefixtures("few_resamples")
def test_a_run_with_leaks_is_verified(leaky: Run) -> None:
    found = verify(f"demo/leaky@{publish(leaky, 'demo/leaky')}")
    assert (found["verdict"]["kind"], found["verdict"]["n"]) == ("identical", 32)


def without(stated: dict[str, Any], _data: dict[str, Any]) -> None:
    del stated["splits"][WITHOUT_LEAKS]


def better(stated: dict[str, Any], _data: dict[str, Any]) -> None:
    stated["splits"][WITHOUT_LEAKS]["accuracy"]["value"] = 0.99


def fewer(_stated: dict[str, Any], described: dict[str, Any]) -> None:
    described["audit"]["leaked"]["test"] = LEAKED[:1]


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without, f"has figures of validation, test; due are those of validation, test, {WITHOUT_LEAKS}"),
        (better, f"accuracy.value of {WITHOUT_LEAKS} is"),
        (fewer, f"of {WITHOUT_LEAKS} is"),
    ],
)
def test_forged_scores_without_leaks_are_found_out(
    leaky: Run, no_runs: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], said: str
) -> None:
    repo = f"demo/leaky-{change.__name__}"
    commit = publish(leaky, repo)
    folder = hub.fetch(repo, commit).folder
    names = [path for path in folder.rglob("*") if path.is_file() and path.name not in (".gitattributes",)]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}
    stated, described = (json.loads(files[f"evaluation/{name}.json"]) for name in ("metrics", "data"))
    change(stated, described)
    files |= {
        "evaluation/metrics.json": json.dumps(stated).encode(),
        "evaluation/data.json": json.dumps(described).encode(),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != MANIFEST}
    files[MANIFEST] = json.dumps({"schema": 1, "run": "x/y", "sha256": hashes}).encode()
    found = verify(f"{repo}@{hub.publish(repo, files, 'Forge')}")["verdict"]
    assert found["kind"] == "unverifiable"
    assert said in found["sentence"]
