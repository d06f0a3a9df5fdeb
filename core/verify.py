"""Publication -> verification: download afresh, hash, recompute, re-run, conclude.

A verification is a JSON object: repo, commit, when, `verdict` (see verdict.py), `files` (each with its hash and what is
wrong with it), and `compared_with` (the local run, or the publication's own stored predictions).
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from core import hub, metrics, predictor, runs, texts, verdict
from core.errors import VerdictError
from core.files import sha256
from core.hub import Integrity, Publication
from core.predictions import Predictions
from core.runs import Record, Run
from core.verdict import Verdict

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
        progress(0.05, f"Downloading {repo} at {commit[:7]}")
        publication = hub.fetch(repo, commit, cache=Path(cache))
        progress(0.3, "Hashing every file")
        integrity = hub.check(publication, strict=True)
        found = _conclude(publication, integrity, run, progress)
    verification = {
        "repo": repo,
        "commit": commit,
        "when": runs.now(),
        "compared_with": run.name if run else "the predictions stored with the publication",
        "verdict": found.to_json(),
        "files": [asdict(each) for each in integrity.files],
    }
    if run:
        run.add_verification(verification)
    progress(1.0, "Done")
    return verification


def _conclude(publication: Publication, integrity: Integrity, run: Run | None, progress: Progress) -> Verdict:
    """The verdict; a VerdictError on the way makes it `unverifiable`, with the error as reason."""
    try:
        _require_whole(publication, integrity)
        stored = publication.record.predictions(SPLIT)
        _require_consistent(publication.record, stored)
        examples = _examples(publication.record, stored)
        progress(0.4, "Loading the model from the Hub")
        model = predictor.load(publication.folder)
        fresh = predictor.predict_split(
            model, examples, lambda done, n: progress(0.45 + 0.5 * done / n, f"Classifying {done:,} of {n:,} texts")
        )
        local = run.record if run else publication.record
        return verdict.compare(
            local.predictions(SPLIT), fresh, local.labels, model.labels, same_bytes=_same_bytes(publication, run)
        )
    except VerdictError as error:
        return verdict.unverifiable(str(error))


def _require_whole(publication: Publication, integrity: Integrity) -> None:
    integrity.require(publication.name)
    if publication.manifest is None:
        raise VerdictError(f"{publication.repo} has no {hub.MANIFEST}: it does not say what was published.")
    if absent := hub.missing(publication):
        raise VerdictError(f"Files that the manifest names are missing: {', '.join(absent)}.")


def _require_consistent(record: Record, stored: Predictions) -> None:
    """The published metrics must be those of the published predictions."""
    stated = record.metrics["splits"][SPLIT]
    derived = metrics.values(metrics.Outcome.of_logits(stored.logits, stored.label))
    wrong = [name for name, value in derived.items() if not _close(stated.get(name, {}).get("value"), value)]
    if wrong:
        name = wrong[0]
        raise VerdictError(
            f"metrics.json does not follow from the stored predictions: {name} is {derived[name]:.4g}, "
            f"not {stated.get(name, {}).get('value')}."
        )


def _close(stated: Any, derived: float) -> bool:
    # Sums may be taken in another order on another machine; nothing else may differ.
    return isinstance(stated, int | float) and math.isclose(stated, derived, rel_tol=1e-9, abs_tol=1e-12)


def _examples(record: Record, stored: Predictions) -> pd.DataFrame:
    """The test texts in the order of the stored predictions, each the very text that was read then."""
    found = texts.of_record(record, SPLIT).reindex(stored.id)
    if found["text"].isna().any() or list(found["text_sha256"]) != list(stored.text_sha256):
        raise VerdictError("The test texts that can be had here are not those that were measured (hashes differ).")
    return found.assign(label=stored.label).reset_index(names="id")


def _same_bytes(publication: Publication, run: Run | None) -> bool:
    """Whether the publication's files are the run's own; without a run, manifest and listing settled that."""
    if run is None:
        return True
    ours = {f"evaluation/predictions/{path.name}": path for path in (run.path / "predictions").iterdir()}
    ours |= {path.name: path for path in run.model.iterdir()}
    stated = publication.manifest or {}
    return all(stated.get(name) == sha256(path) for name, path in ours.items())
