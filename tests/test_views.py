"""Records -> the frames that pages show."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import recipe as recipes
from core import views, wording
from core.metrics import METRICS
from core.runs import Run

LABELS = ["negative", "positive"]


def test_scores_stand_beside_intervals_and_baselines(run: Run) -> None:
    split, baselines = run.record.metrics["splits"]["test"], run.record.data["baselines"]
    table = views.scores(split, baselines)
    assert list(table["name"]) == [name for name in METRICS if name in split]
    for row in views.records(table):
        name = row["name"]
        # The calibration error has no interval: None in JSON, NaN in a frame.
        stated = {key: np.nan if value is None else value for key, value in split[name].items()}
        assert {key: row[key] for key in ("value", "low", "high")} == pytest.approx(stated, rel=0, abs=0, nan_ok=True)
        assert (wording.interval(row) == "–") == (name == "expected_calibration_error")
        assert row["title"] == METRICS[name].title
        assert row["tfidf"] == baselines["tfidf"][name]["value"]
        assert row["majority"] == baselines["majority"][name]["value"]
    assert {row["name"] for row in views.headline(table)} == set(views.HEADLINE)


def test_scores_are_shown_as_figures(run: Run) -> None:
    table = views.scores(run.record.metrics["splits"]["test"], run.record.data["baselines"])
    shown = views.scores_shown(table)
    assert list(shown["Value"]) == [wording.figure(value) for value in table["value"]]
    assert shown.shape == (len(table), 6)
    assert shown.map(lambda cell: isinstance(cell, str) and cell != "").all(axis=None)


def test_confusion_cells_hold_counts_and_shares_of_the_true_label() -> None:
    cells = views.confusion({"confusion": [[3, 1, 0], [0, 0, 0], [2, 2, 4]]}, ["a", "b", "c"])
    found = cells.set_index(["true", "decided"])
    assert found["count"].to_dict()[("c", "b")] == 2
    assert found["share"].to_dict()[("a", "a")] == 0.75
    assert found.loc["b", "share"].tolist() == [0, 0, 0]
    assert len(cells) == 9


@pytest.mark.parametrize(
    ("event", "cell"),
    [
        ({"selection": {"cell": [{"true": "a", "decided": "b"}]}}, ("a", "b")),
        ({"selection": {"cell": [{"true": "a", "decided": ""}]}}, ("a", None)),
        ({"selection": {"cell": [{"true": "", "decided": "b"}]}}, (None, "b")),
        ({"selection": {"cell": []}}, None),
        ({"selection": {}}, None),
        ({}, None),
    ],
)
def test_a_click_names_a_cell(event: dict[str, Any], cell: tuple[str, str] | None) -> None:
    assert views.clicked(event) == cell


def test_bars_are_sorted_and_keep_their_labels_index() -> None:
    found = views.bars(np.array([0.2, 0.7, 0.1]), ["a", "b", "c"])
    assert found[["label", "index", "shown"]].to_numpy().tolist() == [
        ["b", 1, "70.0%"], ["a", 0, "20.0%"], ["c", 2, "10.0%"],
    ]  # fmt: skip


def test_labels_are_listed_with_their_figures(run: Run) -> None:
    split = run.record.metrics["splits"]["test"]
    shown = views.per_class(split)
    assert list(shown["Label"]) == LABELS
    assert list(shown["Recall"]) == [wording.figure(row["recall"]) for row in split["per_class"]]
    assert shown["Examples"].sum() == split["n"]


def test_a_run_is_a_row(run: Run) -> None:
    row = views.runs_table([run]).iloc[0]
    assert (row["Full name"], row["State"]) == (run.name, "complete")
    assert row["Test accuracy"] == wording.figure(run.record.metrics["splits"]["test"]["accuracy"]["value"])
    assert views.runs_table([]).empty


def put(name: str, content: str | bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


DAMAGE = {
    "metrics of nothing": put("metrics.json", "{}"),
    "metrics without splits": put("metrics.json", '{"schema": 1}'),
    "metrics of another shape": put("metrics.json", '{"schema": 1, "labels": [], "splits": {"test": []}}'),
    "metrics without a value": put("metrics.json", '{"schema": 1, "splits": {"test": {"accuracy": null}}}'),
    "broken metrics": put("metrics.json", "{"),
    "metrics that are a list": put("metrics.json", "[]"),
    "no environment": lambda folder: (folder / "environment.json").unlink(),
    "no cost": put("environment.json", '{"cost": null}'),
    "no data": lambda folder: (folder / "data.json").unlink(),
    "a recipe that is not text": put("recipe.toml", b"\xff"),
    "a recipe without keys": put("recipe.toml", ""),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_run_is_a_row_that_says_so(run: Run, tmp_path: Path, name: str) -> None:
    broken = Run(Path(shutil.copytree(run.path, tmp_path / "tiny" / "broken")))
    DAMAGE[name](broken.path)
    shown = views.runs_table([broken, run])
    assert shown["State"][0].startswith("damaged")
    assert shown["State"][1] == "complete"
    assert shown["Run"].tolist() == ["tiny broken", wording.short_names([broken.name, run.name])[run.name]]
    assert shown.map(lambda cell: isinstance(cell, str)).all(axis=None)


def test_unfinished_runs_alone_make_a_table(run: Run, tmp_path: Path) -> None:
    started = Run(Path(shutil.copytree(run.path, tmp_path / "tiny" / "started")))
    (started.path / "metrics.json").unlink()
    shown = views.runs_table([started])
    assert shown["State"].tolist() == ["unfinished"]
    assert shown["Test accuracy"].tolist() == [""]


def test_a_comparison_shows_both_sides_and_the_interval_of_their_difference() -> None:
    row = {"metric": "f1_macro", "first": 0.81234, "second": 0.8, "difference": -0.01234, "low": -0.03, "high": 0.0051}
    shown = views.comparison({"metrics": [row]}, ("Here", "There"))
    assert list(shown.columns) == ["Metric", "Here", "There", "Difference", "95% interval"]
    assert shown.to_numpy().tolist() == [["F1 (macro)", "0.812", "0.800", "-0.0123", "-0.0300 to 0.00510"]]
    none = views.comparison({"metrics": [row | {"low": None, "high": None}]})
    assert none["95% interval"].tolist() == ["–"]
    assert views.comparison({"metrics": []}).empty


def test_a_comparison_of_before_there_were_intervals_is_still_shown() -> None:
    stored = {"metric": "f1_macro", "local": 0.81234, "hub": 0.8, "difference": -0.01234}
    assert views.comparison({"metrics": [stored]}).to_numpy().tolist() == [
        ["F1 (macro)", "0.812", "0.800", "-0.0123", "–"]
    ]
    assert views.flips({"metrics": [stored]}).empty


def test_flips_are_shown_by_direction_the_most_frequent_first() -> None:
    rows = [("a", "a", "b", 2), ("a", "b", "a", 1234), ("b", "a", "c", 7)]
    flipped = [dict(zip(("true", "first", "second", "n"), row, strict=True)) for row in rows]
    shown = views.flips({"flipped": flipped}, ("Here", "There"))
    assert list(shown.columns) == ["True label", "Here", "There", "Change", "Examples"]
    assert shown.to_numpy().tolist() == [
        ["a", "b", "a", "for the better", "1,234"],
        ["b", "a", "c", "wrong both times", "7"],
        ["a", "a", "b", "for the worse", "2"],
    ]


def test_files_with_a_problem_come_first_and_both_hashes_are_shown() -> None:
    files = [
        {"path": "a", "problem": "", "sha256": "1"},
        {"path": "c", "problem": "differs", "sha256": "2"},
        {"path": "b", "problem": "gone", "sha256": None},
        {"path": "d", "problem": "", "sha256": "4"},
    ]
    pairs = [("a", "1", "1"), ("b", "3", None), ("c", None, "2")]
    verdict = {"files": [dict(zip(("path", "first", "second"), pair, strict=True)) for pair in pairs]}
    assert views.files({"files": files, "verdict": verdict}).to_numpy().tolist() == [
        ["b", "gone", "3", "not here"], ["c", "differs", "not there", "2"], ["a", "as published", "the same", "1"],
        ["d", "as published", "–", "4"],
    ]  # fmt: skip
    assert views.files({"files": [], "verdict": {}}).shape == (0, 4)


@pytest.mark.parametrize(
    ("problems", "pairs", "said"),
    [
        ([], [], "No file was looked at"),
        (["", ""], [], "All 2 files are as published."),
        (
            ["", ""],
            [("1", "1")],
            "All 2 files are as published; all 1 that were compared are those that were measured.",
        ),
        (["", ""], [("1", "2"), ("1", "1"), (None, "1")], "2 of 3 differ from those that were measured."),
        (["differs", ""], [("1", "2")], "1 of 2 files is not as published."),
        (["differs", "gone", ""], [], "2 of 3 files are not as published."),
    ],
)
def test_files_are_summed_up_in_words(problems: list[str], pairs: list[tuple[str | None, str]], said: str) -> None:
    files = [{"path": str(n), "problem": problem, "sha256": "1"} for n, problem in enumerate(problems)]
    found = {"files": files, "verdict": {"files": [{"path": "x", "first": one, "second": two} for one, two in pairs]}}
    assert said in views.files_in_words(found)


def test_no_text_of_a_table_is_a_formula() -> None:
    files = [{"path": "=cmd|' /C calc'!A0", "problem": "@x", "sha256": "-1"}]
    shown = views.files({"files": files, "verdict": {}}).to_numpy().tolist()
    assert shown == [["'=cmd|' /C calc'!A0", "'@x", "–", "-1"]]
    rows = [{"label": '=HYPERLINK("http://x")', "precision": 0.5, "recall": 0.5, "f1": 0.5, "n": 4}]
    assert views.per_class({"per_class": rows}).to_numpy().tolist() == [
        ['\'=HYPERLINK("http://x")', "0.500", "0.500", "0.500", 4]
    ]


def test_settings_hold_every_key_of_the_recipe(run: Run) -> None:
    recipe = run.record.recipe
    shown = dict(views.settings(recipe).itertuples(index=False, name=None))
    assert set(shown) == set(recipes.flat(recipe))
    assert shown["training.epochs"] == str(recipe.training.epochs)
    assert shown["labels"] == "negative, positive"


def test_the_audit_shows_sizes_and_shares(run: Run) -> None:
    data = run.record.data
    shown = dict(views.audit(data).itertuples(index=False, name=None))
    assert shown["train: examples"] == str(data["splits"]["train"]["rows"])
    assert shown["test: SHA-256"] == data["splits"]["test"]["sha256"]
    assert shown["test: texts cut"] == (wording.percent(data["audit"]["truncated"]["test"]))
    many = data | {"splits": {"train": {"rows": 12345, "sha256": ""}}}
    assert "12,345" in views.audit(many).to_numpy()


@pytest.mark.parametrize(
    ("card", "parts"),
    [
        ("---\na: 1\n---\n# T\n![x](p.png)\nrest", [("# T\n", "p.png", "x"), ("\nrest", "", "")]),
        ("no metadata", [("no metadata", "", "")]),
        ("---\na: 1\n---\nb\n---\nc\n---\n", [("b\n---\nc\n---\n", "", "")]),
        ("a ![x](1) b ![y z](2)", [("a ", "1", "x"), (" b ", "2", "y z"), ("", "", "")]),
        ("```toml\nlimits = '![x](http://y)'\n```", [("```toml\nlimits = '!\u2060[x](http://y)'\n```", "", "")]),
        ("![x][y]\n\n[y]: http://z", [("!\u2060[x][y]\n\n[y]: http://z", "", "")]),
        ("![ [x] ](http://y)", [("!\u2060[ [x] ](http://y)", "", "")]),
    ],
)
def test_a_card_is_cut_at_its_pictures(card: str, parts: list[tuple[str, str, str]]) -> None:
    assert views.card_parts(card) == parts


def test_a_runs_card_has_its_pictures(run: Run) -> None:
    parts = views.card_parts((run.path / "card.md").read_text(encoding="utf-8"))
    names = ("per_class", "confusion", "reliability", "loss", "metrics")
    assert [picture for _, picture, _ in parts] == [*(f"evaluation/pictures/{name}.png" for name in names), ""]
    assert len({words for _, _, words in parts}) == len(parts)  # each picture has words of its own
    assert not re.search(r"model-index|!\[", "".join(text for text, _, _ in parts))


def test_two_readings_are_compared_label_by_label() -> None:
    labels = ["=bad", "mixed", "good"]
    now = views.bars(np.array([0.1, 0.2, 0.7]), labels)
    before = views.bars(np.array([0.5, 0.5, 0.0]), labels).set_index("index").loc[now["index"]].reset_index()
    table = views.compared(before, now)
    assert table["Label"].tolist() == ["good", "mixed", "'=bad"]
    assert table["Pinned"].tolist() == ["under 0.1%", "50.0%", "50.0%"]
    assert table["Change, points"].tolist() == ["+70.0", "-30.0", "-40.0"]


@pytest.mark.parametrize(
    ("markdown", "parts"),
    [
        ("only text", [("only text", "", "")]),
        ("a\n```toml\nx = 1\ny = 2\n```\nb", [("a\n", "x = 1\ny = 2", "toml"), ("\nb", "", "")]),
        ("````\n```\ninner\n```\n````", [("", "```\ninner\n```", ""), ("", "", "")]),
        ("~~~ python\nx\n~~~", [("", "x", "python"), ("", "", "")]),
        ("```\nnever closed", [("", "never closed", ""), ("", "", "")]),
        ("```", [("", "", ""), ("", "", "")]),
    ],
)
def test_text_and_code_are_told_apart(markdown: str, parts: list[tuple[str, str, str]]) -> None:
    assert views.text_and_code(markdown) == parts


def test_no_line_of_a_runs_card_is_lost(run: Run) -> None:
    card = (run.path / "card.md").read_text(encoding="utf-8")
    parts = views.text_and_code(card)
    assert any(language == "toml" for _, _, language in parts)
    kept = "".join(text + code for text, code, _ in parts)
    assert {line for line in card.splitlines() if not line.startswith("```")} <= set(kept.splitlines()) | {""}
