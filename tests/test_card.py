"""Model cards: every figure follows from the predictions, and nothing in a recipe becomes markup."""

import ast
import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from sklearn.metrics import precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from core import card, hub, wording
from core import recipe as recipes
from core.files import write_json
from core.metrics import METRICS
from core.recipe import Example
from core.runs import Record, Run
from tests.test_metrics import by_scikit_learn

NASTY = [
    "<script>alert(1)</script>", "a|b", "*bold*", "[x](http://evil)", "![x](http://evil)", "`code`", "$x$",
    "back\\slash", "{{ 7 * 7 }}", "&lt;i&gt;", "- item", "# head",
]  # fmt: skip
FENCE = "first\n```\n\n<script>alert(2)</script>\n\n![x](http://evil)\n"


def tables(text: str) -> list[list[list[str]]]:
    """The body cells of every table of a card, as a reader sees them."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", rendered(text), re.DOTALL)
    rows = [re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL) for body in bodies]
    return [[[plain(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in body] for body in rows]


def rendered(text: str) -> str:
    """A card as HTML, without its metadata."""
    return MarkdownIt("commonmark").enable("table").render(text.split("\n---\n", 1)[1])


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


@pytest.fixture(scope="module")
def text(run: Run) -> str:
    return (run.path / "card.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def expected(run: Run) -> dict[str, float]:
    stored = pd.read_parquet(run.path / "predictions" / "test.parquet")
    return by_scikit_learn(np.stack(stored["logits"]), stored["label"])


def test_every_score_on_the_card_follows_from_the_predictions(text: str, run: Run, expected: dict[str, float]) -> None:
    stated, baselines = run.record.metrics["splits"]["test"], run.record.data["baselines"]
    headers = [plain(cell) for cell in re.findall(r"<th[^>]*>(.*?)</th>", rendered(text).split("</thead>")[0])]
    rows = [dict(zip(headers, row, strict=True)) for row in tables(text)[0]]
    assert {"Metric", "Value", "95% interval", "TF-IDF"} <= set(headers)
    assert len(rows) == len(expected)
    for name, value in expected.items():
        (row,) = [row for row in rows if row["Metric"] == METRICS[name].title]
        assert {
            "Metric": METRICS[name].title,
            "Value": wording.figure(value),
            "95% interval": wording.interval(stated[name]),
            "TF-IDF": wording.figure(baselines["tfidf"][name]["value"]),
            "majority": wording.figure(baselines["majority"][name]["value"]),
        }.items() >= row.items()


def test_the_first_sentence_has_accuracy_and_wilsons_interval(text: str, run: Run, expected: dict[str, float]) -> None:
    n = len(pd.read_parquet(run.path / "predictions" / "test.parquet"))
    low, high = proportion_confint(round(expected["accuracy"] * n), n, 0.05, "wilson")
    head = (
        f"**Test accuracy {expected['accuracy']:.3f}** (95% interval {low:.3f} to {high:.3f}, {n} examples that were "
        "read once,\nafter training)"
    )
    assert head in text


def test_every_label_has_its_figures(text: str, run: Run) -> None:
    stored = pd.read_parquet(run.path / "predictions" / "test.parquet")
    decided = np.stack(stored["logits"]).argmax(1)
    columns = precision_recall_fscore_support(stored["label"], decided, average=None, zero_division=0)
    assert tables(text)[1] == [
        [name, *(wording.figure(value) for value in values[:3]), str(values[3])]
        for name, values in zip(run.record.labels, zip(*columns, strict=True), strict=True)
    ]


def test_the_card_states_the_data(text: str, tiny: Path) -> None:
    rows = pd.read_json(tiny.parent / "reviews.jsonl", lines=True)
    sizes = rows["split"].value_counts()
    assert f"train {sizes['train']}, validation {sizes['validation']}, test {sizes['test']}." in text
    balance = dict(row for row in tables(text)[2])["Examples by label"]
    for (split, label), count in rows.groupby(["split", "label"]).size().items():
        assert re.search(rf"{split}: [^;]*{label} {count}\b", balance)


def test_the_metadata_is_a_valid_model_index(text: str, run: Run, expected: dict[str, float]) -> None:
    data = ModelCard(text).data
    assert (data.license, data.language, data.pipeline_tag) == ("apache-2.0", "en", "text-classification")
    results = {each.metric_type: each for each in data.eval_results or []}
    assert {name: each.metric_value for name, each in results.items()} == pytest.approx(expected, rel=1e-6)
    assert {each.dataset_split for each in results.values()} == {"test"}
    assert all(each.metric_name == METRICS[name].title for name, each in results.items())


def test_a_published_card_names_its_repo(run: Run) -> None:
    text = card.render(run.record, run.record.metrics, "demo/tiny")
    assert 'model="demo/tiny", revision="<commit>"' in text
    assert ModelCard(text).data.model_name == "tiny"
    assert "user/name" not in text


def test_the_cards_recipe_is_the_runs(text: str, run: Run) -> None:
    assert (run.path / "recipe.toml").read_text(encoding="utf-8").strip() in text
    assert run.record.environment["encoder_sha256"] in text


def pictures(text: str) -> list[str]:
    return re.findall(r'<img src="([^"]*)"', rendered(text))


def test_every_picture_is_in_its_section_and_has_words(text: str) -> None:
    sections = dict(section.split("\n", 1) for section in text.split("\n## ")[1:])
    scores, training = (re.findall(r"^!\[(.+)\]\(evaluation/pictures/(\w+)\.png\)$", sections[name], re.MULTILINE)
                        for name in ("Scores on the test split", "Training"))  # fmt: skip
    assert [name for _, name in scores] == ["per_class", "confusion", "reliability"]
    assert [name for _, name in training] == ["loss", "metrics"]
    assert len({words for words, _ in scores + training}) == 5
    assert len(pictures(text)) == 5


def test_a_picture_that_was_not_drawn_is_not_on_the_card(run: Run, tmp_path: Path) -> None:
    record = Record(Path(shutil.copytree(run.path, tmp_path / "copy")))
    for name in ("loss", "per_class"):
        (record.folder / "pictures" / f"{name}.png").unlink()
    shown = pictures(card.render(record, record.metrics))
    assert shown == [f"evaluation/pictures/{name}.png" for name in ("confusion", "reliability", "metrics")]


def test_every_picture_of_a_published_card_is_in_the_repo(published: str) -> None:
    fetched = hub.fetch(*published.split("@"))
    shown = pictures((fetched.folder / "README.md").read_text(encoding="utf-8"))
    assert len(shown) == 5
    for name in shown:
        assert (fetched.folder / name).read_bytes().startswith(b"\x89PNG")


def test_the_same_record_gives_the_same_card(text: str, run: Run) -> None:
    assert card.render(Record(run.path), Record(run.path).metrics) == text


def renamed(run: Run, folder: Path, labels: list[str], **publish: Any) -> Record:
    """A copy of the record whose labels have other names, and whose recipe publishes other words."""
    shutil.copytree(run.path, folder, dirs_exist_ok=True)
    recipe = run.record.recipe
    changed = recipe.publish.model_copy(update=publish)
    new = recipe.model_copy(update={"labels": tuple(labels), "title": labels[0], "publish": changed})
    (folder / "recipe.toml").write_text(recipes.dumps(new), encoding="utf-8")
    metrics, data = json.loads(json.dumps(run.record.metrics)), json.loads(json.dumps(run.record.data))
    for entry in [each["test"] for each in (metrics["splits"],)]:
        for row, name in zip(entry["per_class"], labels, strict=True):
            row["label"] = name
    for split, counts in data["audit"]["balance"].items():
        data["audit"]["balance"][split] = dict(zip(labels, counts.values(), strict=True))
    write_json(folder / "metrics.json", metrics | {"labels": labels})
    write_json(folder / "data.json", data)
    return Record(folder)


@pytest.mark.parametrize("name", NASTY)
def test_names_are_shown_as_they_are(run: Run, tmp_path: Path, name: str) -> None:
    record = renamed(run, tmp_path, [name, "other"], intended_use=name, limits=name, dataset=name)
    text = card.render(record, record.metrics)
    html = rendered(text)
    assert [row[0] for row in tables(text)[1]] == [name, "other"]
    heading = re.search(r"<h1>(.*?)</h1>", html)
    assert heading
    assert plain(heading[1]) == name
    assert "<script" not in html
    assert "evil" not in "".join(re.findall(r'(?:href|src)="([^"]*)"', html))
    assert html.count("<img") == 5
    assert ModelCard(text).data.eval_results


@pytest.mark.parametrize("key", ["intended_use", "limits", "dataset", "examples"])
@pytest.mark.parametrize("words", [FENCE, FENCE.replace("\n", "\r"), FENCE.replace("```", "~~~~")])
def test_no_text_of_a_recipe_leaves_its_place(run: Run, tmp_path: Path, key: str, words: str) -> None:
    record = renamed(run, tmp_path, ["a", "b"], **{key: (Example(text=words),) if key == "examples" else words})
    html = rendered(card.render(record, record.metrics))
    assert "<script" not in html
    assert "evil" not in "".join(re.findall(r'(?:href|src)="([^"]*)"', html))
    assert [plain(head) for head in re.findall(r"<h2>(.*?)</h2>", html)] == [
        "Scores on the test split", "Data", "Training", "Use", "Limits", "Reproduce",
    ]  # fmt: skip


@pytest.mark.parametrize("example", ['say "hi"', "back\\slash", "two\nlines", "tab\t", "'''", '"""', "ü 🎬", "\\"])
def test_the_cards_code_runs_for_any_example(run: Run, tmp_path: Path, example: str) -> None:
    record = renamed(run, tmp_path, ["a", "b"], examples=(Example(text=example),))
    code = re.search(r"```python\n(.*?)```", card.render(record, record.metrics), re.DOTALL)
    assert code
    seen: list[str] = []
    call = [line for line in code[1].splitlines() if line.startswith("classify(")]
    exec("\n".join(call), {"classify": lambda text, **how: seen.append(text)})
    assert [text.split() for text in seen] == [example.split()]


def test_the_cards_code_gives_a_pair_as_a_pair(run: Run, tmp_path: Path) -> None:
    record = renamed(run, tmp_path, ["a", "b"], examples=(Example(text="one", text_pair='say "two"'),))
    call = re.search(r"^classify\((.*), top_k", card.render(record, record.metrics), re.MULTILINE)
    assert call
    assert ast.literal_eval(call[1]) == {"text": "one", "text_pair": 'say "two"'}


@pytest.mark.parametrize("allowed", [True, False])
def test_the_card_says_whether_texts_are_there(run: Run, tmp_path: Path, allowed: bool) -> None:
    record = renamed(run, tmp_path, ["a", "b"], texts=allowed)
    text = card.render(record, record.metrics)
    assert ("The test texts are in `evaluation/texts/`" in text) == allowed
    assert ("does not let its texts be published" in text) != allowed
