"""What a README.md says in its front matter: the metadata by which models are listed and loaded."""

import json
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]


def front_matter(text: str) -> dict[str, Any]:
    """The mapping between the first two `---` lines, {} if there is none, as plain JSON data.

    Raises ValueError, with a message for the author, when it is not YAML or not a mapping.
    """
    lines = text.lstrip("\ufeff \r\n").split("\n")
    if not lines or lines[0].rstrip() != "---" or "---" not in (closing := [line.rstrip() for line in lines[1:]]):
        return {}
    try:
        data = yaml.safe_load("\n".join(closing[: closing.index("---")]))
        # YAML knows dates, JSON does not; and NaN must not reach a client that reads strict JSON.
        plain = json.loads(json.dumps(data, default=str), parse_constant=lambda _: None)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"The front matter is not valid YAML: {error}") from error
    if not isinstance(plain, dict | None):
        raise ValueError("The front matter must be a mapping of names to values")
    return plain or {}


def listed_fields(card: dict[str, Any]) -> dict[str, Any]:
    """The fields of a model's description that the Hub derives from its front matter."""
    derived: dict[str, Any] = {
        name: card[name] for name in ("pipeline_tag", "library_name", "model-index") if name in card
    }
    tags = [card.get("library_name"), card.get("pipeline_tag"), *_list(card.get("tags"))]
    for prefix, name in (("license", "license"), ("dataset", "datasets"), ("base_model", "base_model")):
        tags += [f"{prefix}:{value}" for value in _list(card.get(name))]
    tags += _list(card.get("language"))
    return {**derived, "cardData": card, "tags": list(dict.fromkeys(tag for tag in tags if isinstance(tag, str)))}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
