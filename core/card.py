"""Record -> model card, from the template card.md beside this file. Pure: every figure comes from the record."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, StrictUndefined

from core import metrics, views, wording
from core import recipe as recipes
from core.errors import RunError
from core.runs import Record

TEMPLATE = Path(__file__).with_name("card.md")
THIS_MODEL = "user/name"
"""Stands for the repo in a card that is not published yet."""
PICTURES = {
    "evaluation": {
        "per_class.png": "Bars of each label's precision, recall and F1 on the test split, best F1 first",
        "confusion.png": "Confusion matrix: true labels down, decided ones across",
        "reliability.png": "Reliability diagram: accuracy against confidence, with the number of examples at each",
    },
    "training": {
        "loss.png": "Training and validation loss over the epochs",
        "metrics.png": "Validation scores after each epoch",
    },
}
"""Where on the card which of a run's pictures are, and what each shows to those who cannot see it."""


def render(record: Record, derived: Mapping[str, Any], repo: str = THIS_MODEL) -> str:
    """The card of a record whose metrics.json is `derived`, for the repo `repo`."""
    recipe, test = record.recipe, derived["splits"]["test"]
    recipe_toml = recipes.dumps(recipe).strip()
    # Label names and texts are data: none of them may become Markdown or HTML.
    template = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(
        card_data=_metadata(record, test, repo).to_yaml(),
        title=_escape(recipe.title),
        intended_use=_escape(recipe.publish.intended_use),
        limits=_escape(recipe.publish.limits) or "Not stated.",
        scores=_scores(record, test),
        per_class=[_class_row(row) for row in test["per_class"]],
        n_test=test["n"],
        pictures={place: _pictures(record, words) for place, words in PICTURES.items()},
        leaks=wording.leaks(derived["splits"]),
        baselines={name: _lower(title) for name, title in views.BASELINES.items()},
        resamples=metrics.RESAMPLES,
        dataset=_escape(recipe.publish.dataset),
        dataset_license=_escape(recipe.publish.dataset_license),
        splits=record.data["splits"],
        audit=_audit(record.data["audit"]),
        texts_published=recipe.publish.texts,
        base_model=record.environment["base_model"],
        encoder_sha256=record.environment["encoder_sha256"],
        recipe_toml=recipe_toml,
        fence=_fence(recipe_toml),
        cost=_cost(record.environment),
        repo=repo,
        example=_example(recipe),
        engine=recipe.engine,
        max_tokens=recipe.training.max_tokens,
        recipe_name=recipe.name,
    )


def stated(text: str) -> list[tuple[str, Any]]:
    """Name and value of every metric in a card's metadata, as the Hub reads it. Raises RunError if it is damaged."""
    try:
        results = ModelCard(text).data.get("eval_results")
    except Exception as error:  # whatever damaged YAML makes the libraries raise
        raise RunError(f"The metadata of README.md are damaged ({type(error).__name__}).") from error
    return [(each.metric_type, each.metric_value) for each in results or []]


def _metadata(record: Record, test: Mapping[str, Any], repo: str) -> ModelCardData:
    recipe = record.recipe
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=recipe.name,
            dataset_name=recipe.publish.dataset,
            dataset_split="test",
            metric_type=name,
            metric_name=metrics.METRICS[name].title,
            metric_value=test[name]["value"],
        )
        for name in metrics.METRICS
        if name in test
    ]
    return ModelCardData(
        language=recipe.publish.language,
        license=recipe.publish.license,
        library_name="transformers",
        pipeline_tag="text-classification",
        base_model=record.environment["base_model"] or None,
        tags=["verdict", "text-classification"],
        model_name=repo.split("/")[-1],
        eval_results=results,
    )


def _scores(record: Record, test: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = views.records(views.scores(test, record.data["baselines"]))
    return [
        {
            "name": str(row["name"]),
            "title": str(row["title"]),
            "shown": wording.figure(row["value"]),
            "interval": wording.interval(row),
            **{baseline: wording.figure(row[baseline]) for baseline in views.BASELINES},
        }
        for row in rows
    ]


def _pictures(record: Record, words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Name and words of the pictures that the record has: one of a training without steps, say, lacks some."""
    return [(name, shown) for name, shown in words.items() if (record.folder / "pictures" / name).is_file()]


def _class_row(row: Mapping[str, Any]) -> dict[str, Any]:
    figures = {key: wording.figure(row[key]) for key in ("precision", "recall", "f1")}
    return {"label": _escape(row["label"]), "n": row["n"], **figures}


def _audit(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    duplicates = ", ".join(f"{split} {count:,}" for split, count in audit["duplicates"].items())
    leaks = ", ".join(f"{where} {count:,}" for where, count in audit["leaks"].items())
    truncated = ", ".join(f"{split} {share:.1%}" for split, share in audit["truncated"].items())
    balance = "; ".join(
        f"{split}: " + ", ".join(f"{_escape(label)} {count:,}" for label, count in counts.items())
        for split, counts in audit["balance"].items()
    )
    return [
        ("Texts that repeat another of their split", duplicates),
        ("Texts of one split that stand in another", leaks),
        *_found_more(audit),
        ("Texts too long to be read whole", truncated),
        ("Examples by label", balance),
    ]


def _found_more(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = {
        words: ", ".join(f"{where} {count:,}" for where, count in audit.get(key, {}).items() if count)
        for key, words in views.FOUND_MORE.items()
    }
    return [(words.capitalize(), counts) for words, counts in found.items() if counts]


def _cost(environment: Mapping[str, Any]) -> str:
    cost = environment["cost"]
    return (
        f"Trained in {cost['train_seconds'] / 60:.1f} minutes on {environment['processor']} "
        f"({environment['threads']} threads), at {cost['tokens_per_second']:,.0f} tokens per second "
        f"and with {cost['peak_memory_bytes'] / 2**30:.2f} GiB of memory."
    )


def _example(recipe: recipes.Recipe) -> str:
    """A text, or a pair of texts, as Python writes it; JSON's strings are such, and never leave their line."""
    found = next(iter(recipe.publish.examples), recipes.Example(text="A text to classify."))
    pair = {"text": found.text, "text_pair": found.text_pair}
    return json.dumps(pair if found.text_pair else found.text, ensure_ascii=False)


def _fence(text: str) -> str:
    """A fence for `text` that no run of backticks in it can close."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))


def _escape(text: str) -> str:
    return wording.as_markdown(" ".join(text.splitlines()))


def _lower(title: str) -> str:
    return title if title[:2].isupper() else title[0].lower() + title[1:]
