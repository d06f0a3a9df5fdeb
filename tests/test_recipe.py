"""Recipes: strict reading, all problems at once, overrides, and the way back to TOML."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core import recipe as recipes
from core.errors import RecipeError
from core.recipe import Example, Recipe
from train.__main__ import RECIPES

GOOD: dict[str, Any] = {
    "name": "good",
    "title": "Good",
    "labels": ["no", "yes"],
    "encoder": "minilm",
    "data": {"file": "x.csv"},
}
FIVE_MISTAKES = """
title = "Wrong"
labels = ["one"]
encoder = "minilm"
engine = "magic"

[data]
file = "x.csv"
txt = "review"

[training]
epochs = 0
learning_rate = "fast"
"""


def merged(**changes: Any) -> dict[str, Any]:
    """GOOD with changes; a dictionary is merged into its section."""
    sections = {key: GOOD.get(key, {}) | value for key, value in changes.items() if isinstance(value, dict)}
    return GOOD | changes | sections


def problem(values: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        recipes.parse(values, "it")
    return str(caught.value)


def test_five_mistakes_are_reported_in_one_error(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(FIVE_MISTAKES)
    with pytest.raises(RecipeError) as caught:
        recipes.load(path)
    message = str(caught.value)
    assert f"{path} has 5 problems" in message
    for key, allowed in {
        "labels": "at least two, all different",
        "engine": "'trainer'",
        "data.txt": "did you mean text?",
        "training.epochs": "greater than or equal to 1",
        "training.learning_rate": "number",
    }.items():
        assert [line for line in message.splitlines() if line.startswith(f"  - {key}:") and allowed in line], key


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (merged(lables=["a", "b"]), "lables: no such key; did you mean labels?"),
        (merged(training={"epoch": 1}), "training.epoch: no such key; did you mean epochs?"),
        (merged(data={"zzzzzz": 1}), "allowed are config, file, first, hub, id, label"),
        ({key: value for key, value in GOOD.items() if key != "title"}, "title: missing; what the model does"),
        (merged(data={"file": ""}), "data: must have exactly one of file, hub, url; it has none"),
        (merged(data={"hub": "a/b@c"}), "data: must have exactly one of file, hub, url; it has file and hub"),
        (merged(data={"file": "", "url": "https://x/y.gz"}), "data: url must have {label} in it"),
        (merged(data={"file": "", "url": "https://me:secret@x/{label}.gz"}), "must not hold a user or a password"),
        (merged(data={"slices": ["genre", "label", "id"]}), "data: slices must not name id, label"),
        (merged(data={"test": 1.5}), "data.test"),
        (merged(training={"both_orders": True}), "  - training.both_orders: needs pairs"),
        (merged(engine="magic"), "engine: must be 'trainer' or 'loop'"),
        (merged(track=["paper"]), "track.0: must be 'wandb', 'tensorboard' or 'trackio'"),
        (merged(labels=["a", "a"]), "labels: must be at least two, all different (it is ['a', 'a'])"),
        (merged(labels=["a", 2]), "labels.1:"),
        (merged(seed=-1), "seed: must be greater than or equal to 0"),
        (merged(seed=True), "seed: must be a valid integer"),
        (merged(training={"epochs": "3"}), "training.epochs: must be a valid integer"),
        (merged(training={"warmup": -1}), "training.warmup: must be greater than or equal to 0"),
        (merged(training={"learning_rate": 0.0}), "training.learning_rate: must be greater than 0"),
        (merged(training={"learning_rate": float("nan")}), "training.learning_rate:"),
        (merged(training={"learning_rate": float("inf")}), "training.learning_rate:"),
        (merged(training={"max_tokens": 7}), "training.max_tokens: must be greater than or equal to 8"),
        (merged(publish={"texts": "yes"}), "publish.texts: must be a valid boolean"),
        (merged(data=5), "data:"),
    ],
)
def test_a_problem_names_its_key_and_what_is_allowed(values: dict[str, Any], said: str) -> None:
    message = problem(values)
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize("name", ["", "a/b", "../up", "..", "/root", "two words\n", "a\\b"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    # Runs live in a folder of this name, and one published by a stranger must not reach outside.
    assert "name:" in problem(merged(name=name))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "There is no recipe"), (b"\xff\xfe\x00", "not a readable TOML file"), (b"title = ", "not a readable")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "some.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=said) as caught:
        recipes.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("training.epochs=5", "training.epochs", 5),
        (" training.epochs =5", "training.epochs", 5),
        ("training.learning_rate=1e-4", "training.learning_rate", 1e-4),
        ("title=Plain words", "title", "Plain words"),
        ('title="In = quotes"', "title", "In = quotes"),
        ("publish.texts=true", "publish.texts", True),
        ('labels=["bad", "good"]', "labels", ("bad", "good")),
        ("data.limit=10", "data.limit", 10),
    ],
)
def test_an_override_sets_its_key(tiny: Path, override: str, key: str, value: object) -> None:
    assert recipes.flat(recipes.load(tiny, [override]))[key] == value


def test_later_overrides_win(tiny: Path) -> None:
    assert recipes.load(tiny, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.epochs", "write it as key=value"),
        ("training.epochs=many", "training.epochs: must be a valid integer"),
        ("training.epoch=3", "did you mean epochs?"),
        ("title.words=3", "title: must be a valid string"),
        ("seed=", "seed: must be a valid integer"),
        ("=3", "no such key"),
    ],
)
def test_a_bad_override_is_refused(tiny: Path, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said.replace("?", r"\?")):
        recipes.load(tiny, [override])


def test_another_source_replaces_the_files_own(tiny: Path) -> None:
    found = recipes.load(tiny, ["data.hub=user/reviews@main", "data.test=0.2"]).data
    assert (found.file, found.hub, found.test) == ("", "user/reviews@main", 0.2)


@pytest.fixture
def variants(tiny: Path, tmp_path: Path) -> Path:
    """The tiny recipe with other settings for the encoder `minilm`."""
    path = tmp_path / "variants.toml"
    path.write_text(tiny.read_text() + "\n[encoders.minilm]\nseed = 5\n[encoders.minilm.training]\nepochs = 7\n")
    return path


def test_an_encoder_can_have_settings_of_its_own(variants: Path) -> None:
    plain, minilm = recipes.load(variants), recipes.load(variants, ["encoder=minilm"])
    assert (plain.seed, plain.training.epochs) == (42, 8)
    assert (minilm.seed, minilm.training.epochs) == (5, 7)
    assert minilm.training.learning_rate == plain.training.learning_rate
    assert recipes.load(variants, ["encoder=minilm", "training.epochs=1"]).training.epochs == 1


def test_a_mistake_in_an_encoders_settings_is_told_before_they_are_used(variants: Path) -> None:
    variants.write_text(variants.read_text().replace("epochs = 7", "epoch = 7"))
    with pytest.raises(RecipeError, match=r"with the encoder minilm(?s:.)*did you mean epochs"):
        recipes.load(variants)


@pytest.mark.parametrize(
    "text",
    ["plain", 'quo"te', "back\\slash", "two\nlines\n", "tab\t", '"""', "'''", "ü – 評論 🎬", "\u2028", " space ", "#"],
)
def test_toml_gives_back_the_recipe(text: str) -> None:
    one = recipes.parse(merged(title=text, labels=[text, "other"], publish={"limits": text, "examples": [text]}), "one")
    again = recipes.parse(tomllib.loads(recipes.dumps(one)), "again")
    assert again == one
    assert recipes.differences(one, again) == {}


def test_an_example_is_a_text_or_says_more() -> None:
    more = {"text": "a", "text_pair": "b", "tag": "irony"}
    found = recipes.parse(merged(publish={"examples": ["plain", more]}), "one")
    assert found.publish.examples == (Example(text="plain"), Example(**more))
    assert recipes.parse(tomllib.loads(recipes.dumps(found)), "again") == found


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ({"tag": "irony"}, "publish.examples.0.text: missing"),
        ({"text": "a", "tags": "irony"}, "publish.examples.0.tags: no such key; did you mean tag?"),
        (3, "publish.examples.0: must be"),
        ("", "publish.examples.0.text: String should have at least 1 character"),
    ],
)
def test_a_bad_example_is_told(example: object, said: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(said)):
        recipes.parse(merged(publish={"examples": [example]}), "one")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_has_examples_of_its_kind_and_hard_ones(path: Path) -> None:
    found = recipes.load(path)
    examples = found.publish.examples
    assert len(examples) >= 6
    assert all(bool(each.text_pair) == bool(found.data.text_pair) for each in examples)
    assert len({each.tag for each in examples if each.tag}) >= 2


def test_toml_holds_every_default() -> None:
    stored = tomllib.loads(recipes.dumps(recipes.parse(GOOD, "good")))
    assert set(stored) == set(Recipe.model_fields)
    assert all(set(stored[key]) == set(getattr(recipes, key.title()).model_fields) for key in ("data", "training"))


def test_differences_name_the_keys_and_both_values() -> None:
    one = recipes.parse(GOOD, "one")
    other = recipes.parse(merged(seed=1, training={"epochs": 9}), "other")
    assert recipes.differences(one, other) == {"seed": (42, 1), "training.epochs": (3, 9)}


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        recipes.parse(GOOD, "good").seed = 3  # type: ignore[misc]


def test_the_file_names_the_recipe(tiny: Path) -> None:
    assert recipes.load(tiny).name == "tiny"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_loads_and_says_how_to_run_it(path: Path) -> None:
    found = recipes.load(path)
    assert found.name == path.stem
    assert f"python -m train fit {path.stem}\n" in path.read_text(encoding="utf-8")
    assert all(len(label) < 40 for label in found.labels)
