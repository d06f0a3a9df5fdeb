"""What becomes of publishing, verifying, starting the app and loading a page when the Hub misbehaves: docs/trust.md.

    python -m bench.trust RUN

RUN is any run under VERDICT_RUNS; a small one keeps this short. Each fault of train/localhub/faults.py meets each job,
with the time-outs and waits that everybody gets; bench/trust_jobs.py has the jobs, and judges what became of them.

It takes an hour. What is found is kept in bench/results/trust.json, fault by fault: with --resume only the faults that
are not there are met, and several processes with --only can share the work. The page is written when all are there.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from filelock import FileLock

from bench.trust_jobs import JOBS, SILENT, Cell, Row, Stage, load_page
from core import runs
from core.files import PROJECT, write_json, write_text
from core.runs import Run
from train.failure import told
from train.localhub import faults as fault
from train.localhub.faults import Act, Faults
from train.localhub.server import serving, serving_elsewhere

RESULTS = Path(__file__).parent / "results" / "trust.json"
ONCE, ALWAYS = 1, float("inf")
COMMIT, UPLOAD, FILE, ANYTHING = "POST .*/commit/", "PUT ", r"GET .*/resolve/.*\.(safetensors|parquet)", ""


def main(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the page to write")] = PROJECT / "docs" / "trust.md",
    only: Annotated[str, typer.Option(help="only the faults whose name matches this")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="only the faults that were not met yet")] = False,
    page: Annotated[str, typer.Option(help="only load this page, for the publication RUN", hidden=True)] = "",
) -> None:
    """Let every fault meet every job, and write what happened."""
    if page:
        load_page(page, run)
        return
    if not (resume or only):
        RESULTS.unlink(missing_ok=True)
    with staged(runs.find(run)) as stage, fault.nobody_accepts() as nobody:
        every = list(rows(stage.elsewhere, nobody))
        for row in every:
            if re.search(only, row.name) and not (resume and row.name in found()):
                cells = [
                    replace(cell, says=_plain(stage, cell.says)) for cell in (job(stage, row) for job in JOBS.values())
                ]
                print(*(f"{row.name} | {job}: {cell}" for job, cell in zip(JOBS, cells, strict=True)), sep="\n")
                keep(row.name, cells)
        if set(found()) >= {row.name for row in every}:
            size = sum(path.stat().st_size for path in stage.run.model.iterdir()) / 1e6
            write_text(output, document({row.name: found()[row.name] for row in every}, size))


def found() -> dict[str, list[Cell]]:
    """What became of the jobs, by fault, as far as they were met."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    return {name: [Cell(**cell) for cell in cells] for name, cells in stored.items()}


def keep(name: str, cells: list[Cell]) -> None:
    """Add a fault to what was found; another process may do the same."""
    RESULTS.parent.mkdir(exist_ok=True)
    with FileLock(RESULTS.with_suffix(".lock")):
        write_json(RESULTS, {key: [asdict(cell) for cell in each] for key, each in (found() | {name: cells}).items()})


def rows(elsewhere: str, nobody: str) -> Iterator[Row]:
    """The faults; `elsewhere` is another host with the Hub's files, `nobody` one that takes no connection."""
    yield Row("none", None)
    yield Row("no connection", None, endpoint=nobody)
    yield from _both("no answer", fault.silence)
    yield Row("401", _same(fault.answer(401)))
    yield Row("403", _same(fault.answer(403)))
    yield Row("403, gated", _same(fault.answer(403, X_Error_Code="GatedRepo")))
    yield Row("404", _same(fault.answer(404, X_Error_Code="RepoNotFound")))
    for status in (409, 412, 413):
        yield Row(f"{status}", _same(fault.answer(status)))
    yield Row("429, wait 2 s, once", _same(fault.answer(429, Retry_After="2")), ONCE, COMMIT, FILE)
    yield Row("429, wait an hour, always", _same(fault.answer(429, Retry_After="3600")))
    for status in (500, 502, 503):
        yield from _both(f"{status}", fault.answer(status))
    yield from _both("reset while sending", fault.break_upload, UPLOAD)
    yield from _both("reset, answer lost", fault.lose_answer)
    yield from _both("reset while receiving", fault.cut_off("reset"))
    yield from _both("silent while receiving", fault.cut_off("silence"))
    yield from _both("truncated", fault.cut_off("end"))
    yield from _both("wrong length", fault.shorten)
    yield from _both("same length, corrupted", fault.corrupt)
    yield from _both("corrupted when sent", fault.corrupt_upload, UPLOAD)
    yield Row("stale listing", lambda new, old: fault.stale({new: old}), ALWAYS, "(GET|HEAD) /api/", "(GET|HEAD) /api/")
    yield Row("redirect to another host", _same(fault.redirect(elsewhere)))
    yield Row("disk full", None, largest=20_480)


def _both(name: str, act: Act, writing: str = COMMIT) -> Iterator[Row]:
    yield Row(f"{name}, once", _same(act), ONCE, writing, FILE)
    yield Row(f"{name}, always", _same(act))


def _same(act: Act):  # type: ignore[no-untyped-def]
    return lambda new, old: act


@contextmanager
def staged(run: Run) -> Iterator[Stage]:
    """A Hub with faults, a copy of the run, its publication, and a cache that has it."""
    faults = Faults()
    with tempfile.TemporaryDirectory(prefix="verdict-trust-") as name:
        folder = Path(name)
        copy = Run(Path(shutil.copytree(run.path, folder / "runs" / run.name)))
        (copy.path / "publications.jsonl").unlink(missing_ok=True)
        with serving(folder / "hub", faults=faults) as hub, serving_elsewhere(faults) as (elsewhere, seen):
            os.environ |= {
                "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.write_token, "HF_HOME": str(folder / "home"),
                "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONUNBUFFERED": "1",
                "VERDICT_RUNS": str(folder / "runs"),
            }  # fmt: skip
            stage = Stage(hub, faults, elsewhere, seen, folder, copy)
            stage.set()
            yield stage


def document(table: dict[str, list[Cell]], size: float) -> str:
    """The page: the table, then what was said; the model has so many MB."""
    said = list(dict.fromkeys(cell.says for cells in table.values() for cell in cells if cell.says))
    lines = [
        "# Trust", "",
        "Written by `python -m bench.trust RUN`; what is changed here by hand is lost.", "",
        "A Hub that misbehaves: what became of publishing a run to a repo that held something else, of verifying a "
        "publication, of starting the app with everything in its cache and classifying a first review, and of loading "
        "the page *Evaluation* with an empty cache. The time is that of the process; of pages, until they were there, "
        "without the imports. A fault that comes *once* meets one request (the commit, an upload, or a file; of the "
        "app's start, the first), one that comes *always* meets all of them. The run's model has "
        f"{size:.1f} MB.", "",
        "*Recovered*: done as if nothing had been. *From the cache*: the app showed the pinned copy in its cache, and "
        "said so. *Refused*: nothing was done, and the message below says why. A cell would say *lost* if the repo's "
        "history had not grown by exactly the commit that was reported, or by none; *corrupt* if a new commit or the "
        "cache did not verify afterwards; *leaked* if the token had been seen in any output or by another host; *hung* "
        f"after {SILENT:.0f} seconds without a word; *crashed* if an error was shown that is not ours.", "",
        f"| fault | {' | '.join(JOBS)} |", "| --- |" + " --- |" * len(JOBS),
        *(f"| {name} | {' | '.join(_cell(cell, said) for cell in cells)} |" for name, cells in table.items()), "",
        "What was said:", "",
        *(f"{number}. {text}" for number, text in enumerate(said, 1)), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _cell(cell: Cell, said: list[str]) -> str:
    number = f" ({said.index(cell.says) + 1})" if cell.says else ""
    return f"{cell.outcome}{number}, {cell.seconds:.1f} s"


def _plain(stage: Stage, text: str) -> str:
    """A message without what is of this moment only."""
    text = re.sub(rf"{re.escape(str(stage.folder))}[^ ,;]*", "`HF_HOME`", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "`HF_ENDPOINT`", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "`commit`", text)
    return re.sub(r"demo/(publish-\d+|trust)", "`user/name`", text)


if __name__ == "__main__":
    with told():
        typer.run(main)
