"""Run -> publication: what of a run goes to the Hub, in one commit."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from core import card, data, hub, texts
from core.errors import RunError
from core.files import sha256
from core.hub import MANIFEST
from core.runs import SCHEMA, Run
from train.fit import MEASURED

log = logging.getLogger("verdict")

EVALUATION = ("recipe.toml", "environment.json", "data.json", "history.jsonl", "metrics.json")


def publish(run: Run, repo: str, *, private: bool = False) -> str:
    """Upload a complete run to `repo` and record the commit, which is returned.

    Raises RunError for an incomplete or changed run, HubError when the Hub refuses; then nothing is visible there.
    """
    if not run.complete:
        raise RunError(f"{run.name} is not complete, so there is nothing to publish yet.")
    _require_unchanged(run)
    with TemporaryDirectory(prefix="verdict-") as folder:
        files = _files(run, repo, Path(folder))
        log.info("Publishing %d files to %s", len(files), repo)
        commit = hub.publish(repo, files, f"Publish run {run.name}", private=private)
    run.add_publication(repo, commit)
    return commit


def _require_unchanged(run: Run) -> None:
    """The files must still be those that the metrics were derived with."""
    for name, expected in run.record.metrics["sha256"].items():
        path = run.path / name
        if not path.is_file() or sha256(path) != expected:
            raise RunError(f"{run.name}: {name} is missing or has changed since it was measured; it is not published.")


def _files(run: Run, repo: str, folder: Path) -> dict[str, Path | bytes]:
    """Path in the repo -> file; `folder` takes the files that exist only in a publication."""
    found: dict[str, Path] = {path.name: path for path in run.model.iterdir()}
    found |= {f"evaluation/{name}": run.path / name for name in EVALUATION}
    for part in ("predictions", "pictures"):
        found |= {f"evaluation/{part}/{path.name}": path for path in (run.path / part).iterdir()}
    if run.record.recipe.publish.texts:
        splits = data.load_splits(run.record.recipe)
        found |= {f"evaluation/texts/{name}.parquet": texts.write(folder, name, splits[name]) for name in MEASURED}
    found["README.md"] = folder / "README.md"
    found["README.md"].write_text(card.render(run.record, run.record.metrics, repo), encoding="utf-8")
    hashes = {name: sha256(path) for name, path in sorted(found.items())}
    manifest = {"schema": SCHEMA, "run": run.name, "sha256": hashes}
    return {**found, MANIFEST: json.dumps(manifest, indent=2).encode()}
