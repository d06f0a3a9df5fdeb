"""Publication -> verification: download afresh, hash, recompute, re-run, conclude.

A verification is a JSON object: repo, commit, when, `verdict` (see verdict.py; its second side is the Hub's), `files`
(each with its hash and what is wrong with it), `signature` (what is known of it, in words), and `compared_with`: the
local run, or the publication's own stored predictions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from core import audit, calibration, card, hub, integrity, metrics, predictor, runs, texts, verdict
from core.errors import IntegrityError, ModelError, VerdictError
from core.files import sha256
from core.hub import Publication
from core.integrity import FileCheck, Integrity
from core.runs import Record, Run
from core.verdict import Hashes, Verdict

Progress = Callable[[float, str], object]
"""Called with a share (0 to 1) and what is being done."""

SPLIT = "test"


def verify(name: str, progress: Progress = lambda share, doing: None) -> dict[str, Any]:
    """Verify `user/name[@revision]` and return the verification; it is also stored in the local run, if that is here.

    Raises HubError when the publication cannot be had at all; anything wrong with it once it is here is a verdict.
    """
    progress(0.0, "Asking the Hub which commit this is")
    repo, commit = hub.resolve(name)
    run = runs.of_publication(repo, commit)
    with TemporaryDirectory(prefix="verdict-") as cache:
        checked, found = _examine(repo, commit, Path(cache), run, progress)
    verification = {
        "repo": repo,
        "commit": commit,
        "when": runs.now(),
        "compared_with": run.name if run else "the predictions stored with the publication",
        "verdict": found.to_json(),
        "files": [asdict(each) for each in checked.files],
        "signature": checked.signature,
    }
    if run:
        run.add_verification(verification)
    progress(1.0, "Done")
    return verification


def _examine(repo: str, commit: str, cache: Path, run: Run | None, progress: Progress) -> tuple[Integrity, Verdict]:
    """The files as they came, checked, and the verdict; of a repo that is refused as it is listed, no file comes."""
    progress(0.05, f"Downloading {repo} at {commit[:7]}")
    try:
        publication = hub.fetch(repo, commit, cache=cache)
    except ModelError as error:
        return Integrity((), against_hub=True), verdict.unverifiable(str(error))
    progress(0.3, "Hashing every file")
    checked = _check(publication)
    return checked, verdict.concluding(lambda: _compare(publication, checked, run, progress))


def _check(publication: Publication) -> Integrity:
    """The files, hashed; a damaged manifest is a file with a problem like others. Raises HubError if none answers."""
    try:
        return integrity.check(publication, strict=True)
    except IntegrityError as error:
        path = publication.folder / hub.MANIFEST
        return Integrity((FileCheck(hub.MANIFEST, sha256(path), str(error)),), against_hub=False)


def _compare(publication: Publication, checked: Integrity, run: Run | None, progress: Progress) -> Verdict:
    """The verdict. Raises VerdictError, or whatever a file of the wrong shape leads to."""
    _require_whole(publication, checked)
    progress(0.35, "Deriving every figure from the stored predictions")
    _require_consistent(publication.record)
    _require_card(publication)
    examples = _examples(publication.record)
    progress(0.4, "Loading the model from the Hub")
    model = predictor.load(publication.folder)
    fresh = predictor.predict_split(
        model, examples, lambda done, n: progress(0.45 + 0.5 * done / n, f"Classifying {done:,} of {n:,} texts")
    )
    local = run.record if run else publication.record
    files = _files(publication, checked, run)
    return verdict.compare(local.predictions(SPLIT), fresh, local.labels, model.labels, files)


def _require_whole(publication: Publication, checked: Integrity) -> None:
    checked.require(publication.name)
    if publication.manifest is None:
        raise VerdictError(f"{publication.repo} has no {hub.MANIFEST}: it does not say what was published.")
    if absent := integrity.missing(publication):
        raise VerdictError(f"Files that the manifest names are missing: {', '.join(absent)}.")


def _require_consistent(record: Record) -> None:
    """Every figure in metrics.json, of any split, must follow from the published predictions."""
    stated, fitted = record.metrics.get("temperature"), calibration.fit(record.predictions("validation"))
    if stated is not None and not _same(stated, fitted):  # publications of before it was stored have none
        raise VerdictError(
            f"metrics.json does not follow from the stored predictions: temperature is {fitted}, not {stated}."
        )
    measured, found = audit.measured(record), record.metrics["splits"]
    if set(found) != set(measured):
        raise VerdictError(f"metrics.json has figures of {', '.join(found)}; due are those of {', '.join(measured)}.")
    for split, stored in measured.items():
        stated = found[split]
        derived = metrics.summary(metrics.Outcome.of_logits(stored.logits, stored.label), record.labels)
        ours, theirs = _figures(derived), _figures(stated)
        for place in ours | theirs:
            if not _same(theirs.get(place), ours.get(place)):
                raise VerdictError(
                    f"metrics.json does not follow from the stored predictions: {'.'.join(map(str, place))} of {split} "
                    f"is {ours.get(place)}, not {theirs.get(place)}."
                )


def _require_card(publication: Publication) -> None:
    """The scores in the card's metadata, which the Hub shows, must be those of metrics.json."""
    test = publication.record.metrics["splits"][SPLIT]
    for name, value in card.stated((publication.folder / "README.md").read_text(encoding="utf-8")):
        if name not in metrics.METRICS or not _same(value, test[name]["value"]):
            raise VerdictError(f"README.md does not follow from metrics.json: it states {value} as {name}.")


def _figures(value: Any, place: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """The leaves of nested JSON by the keys that lead to them: ("accuracy", "value"), ("confusion", 0, 1), …"""
    if not isinstance(value, dict | list):
        return {place: value}
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return {path: leaf for key, each in inner for path, leaf in _figures(each, (*place, key)).items()}


def _same(stated: Any, derived: Any) -> bool:
    # Sums may be taken in another order on another machine; nothing else may differ.
    if not isinstance(derived, float):
        return bool(stated == derived)
    return isinstance(stated, int | float) and math.isclose(stated, derived, rel_tol=1e-9, abs_tol=1e-12)


def _examples(record: Record) -> pd.DataFrame:
    """The test texts in the order of the stored predictions, each the very text that was read then."""
    stored = record.predictions(SPLIT)
    found = texts.of_record(record, SPLIT).reindex(stored.id)
    if found["text"].isna().any() or list(found["text_sha256"]) != list(stored.text_sha256):
        raise VerdictError("The test texts that can be had here are not those that were measured (hashes differ).")
    return found.assign(label=stored.label).reset_index(names="id")


def _files(publication: Publication, checked: Integrity, run: Run | None) -> Hashes:
    """By path in the repo, each file's hash in the run (without one, as the manifest states it) and on the Hub."""
    found = {each.path: each.sha256 for each in checked.files}
    measured: Mapping[str, str | None] = publication.manifest or {}
    if run:
        files = {name: run.path / name for name in (*run.record.metrics["sha256"], "metrics.json")}
        measured = {_published_as(name): sha256(path) if path.is_file() else None for name, path in files.items()}
    return {path: (ours, found.get(path)) for path, ours in measured.items()}


def _published_as(name: str) -> str:
    """A run's file in the repo: a model's files are at its root, all others in `evaluation/`."""
    return name.removeprefix("model/") if name.startswith("model/") else f"evaluation/{name}"
