"""Run -> publication: what of a run goes to the Hub, in one commit."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from core import card, data, hub, signature, texts
from core.errors import RunError
from core.files import sha256
from core.hub import MANIFEST, SIGNATURE
from core.runs import SCHEMA, Run
from train.export import require_current
from train.fit import MEASURED

log = logging.getLogger("verdict")

EVALUATION = (
    "recipe.toml", "environment.json", "data.json", "history.jsonl", "metrics.json", "predictions/*", "slices/*",
    "pictures/*",
)  # fmt: skip
"""Patterns of what of a run goes to `evaluation/`."""


def publish(run: Run, repo: str, *, private: bool = False, key: Path | None = None) -> str:
    """Upload a complete run to `repo` and record the commit, which is returned; with a private `key`, signed.

    Raises RunError for an incomplete or changed run, SignatureError for a key that is of no use, HubError when the Hub
    refuses; then nothing is visible there.
    """
    if not run.complete:
        raise RunError(f"{run.name} is not complete, so there is nothing to publish yet.")
    _require_unchanged(run)
    with TemporaryDirectory(prefix="verdict-") as folder:
        files = _files(run, repo, Path(folder), key)
        log.info("Publishing %d files to %s", len(files), repo)
        commit = hub.publish(repo, files, f"Publish run {run.name}", private=private)
    run.add_publication(repo, commit)
    return commit


def _require_unchanged(run: Run) -> None:
    """The files must still be those that the metrics were derived with or exported, and no others. Raises RunError."""
    require_current(run)
    measured = run.record.metrics["sha256"]
    published = {path.relative_to(run.path).as_posix() for path in _of_run(run).values()} - {"metrics.json"}
    own = {name for name in published if not name.startswith("model/onnx/")}
    for name in sorted(own | set(measured)):
        path = run.path / name
        if not path.is_file() or sha256(path) != measured.get(name):
            raise RunError(
                f"{run.name}: {name} is missing, new, or has changed since the run was measured; it is not published."
            )


def _of_run(run: Run) -> dict[str, Path]:
    """Path in the repo -> file, of what the run itself has."""
    found = {path.relative_to(run.model).as_posix(): path for path in run.model.rglob("*") if path.is_file()}
    evaluation = [path for pattern in EVALUATION for path in run.path.glob(pattern)]
    return found | {f"evaluation/{path.relative_to(run.path).as_posix()}": path for path in evaluation}


def _files(run: Run, repo: str, folder: Path, key: Path | None) -> dict[str, Path | bytes]:
    """Path in the repo -> file; `folder` takes the files that exist only in a publication."""
    found = _of_run(run)
    if run.record.recipe.publish.texts:
        splits = data.load_splits(run.record.recipe)
        found |= {f"evaluation/texts/{name}.parquet": texts.write(folder, name, splits[name]) for name in MEASURED}
    found["README.md"] = folder / "README.md"
    found["README.md"].write_text(card.render(run.record, run.record.metrics, repo), encoding="utf-8")
    hashes = {name: sha256(path) for name, path in sorted(found.items())}
    manifest = {"schema": SCHEMA, "run": run.name, "sha256": hashes} | ({"signed": True} if key else {})
    stated = json.dumps(manifest, indent=2).encode()
    signed: dict[str, Path | bytes] = {SIGNATURE: signature.sign(stated, key)} if key else {}
    return {**found, MANIFEST: stated, **signed}
