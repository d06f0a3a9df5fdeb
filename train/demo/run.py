"""The main job in one command: a recipe becomes a run, a publication on a local Hub, and a verified model in the app.

What was done before is used again: a finished run of the same recipe, its publication, its verification.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from core import runs
from core.errors import VerdictError
from core.files import PROJECT
from core.recipe import Recipe, differences
from core.runs import Run
from train.localhub import LocalHub, serving

log = logging.getLogger("verdict")

ROOT = Path(".localhub")
EPOCHS, LAST_TOKENS = 2, 48
"""What of a recipe is trained where a CPU has no units for bf16: all of it would take a quarter of an hour."""


def run(recipe: Recipe, port: int) -> None:
    """Do the main job, then serve the app on `port` until Ctrl-C or SIGTERM. Raises VerdictError."""
    # SIGINT too: a shell that starts us in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with shown(recipe, port) as process:
            log.info("The app is at http://localhost:%d (Ctrl-C ends it and the local Hub)", port)
            process.wait()
    except KeyboardInterrupt:
        log.info("Stopped.")


@contextmanager
def shown(recipe: Recipe, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The app, answering on `port`, with a verified publication of `recipe`; all that was started ends with the block.

    Raises VerdictError when the port is taken, or a step of the main job fails.
    """
    _require_free(port)
    with _local_hub() as hub:
        # The Hub's client reads these when it is imported: what needs it is imported further down, not above.
        os.environ |= {
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": hub.write_token,
            "HF_HOME": str(ROOT.resolve() / "cache"),
            "HF_HUB_DISABLE_XET": "1",
        }
        with _app(port, _verified_publication(recipe)) as process:
            yield process


@contextmanager
def _local_hub() -> Iterator[LocalHub]:
    with ExitStack() as stack:
        try:
            hub = stack.enter_context(serving(ROOT))
        except (OSError, RuntimeError) as error:  # only those of starting it: the block's own pass
            raise VerdictError(f"The local Hub does not start: {error}. Is `make demo` running already?") from None
        yield hub


def _verified_publication(recipe: Recipe) -> str:
    """The name of a verified publication of `recipe`, made if need be. Raises VerdictError if it does not verify."""
    from core import verify
    from core.verdict import Kind
    from train.export import export
    from train.fit import fit

    found = _finished(recipe) or _finished(shortened(recipe)) or fit(_for_this_machine(recipe))
    if not found.publications and not (found.model / "onnx").is_dir():
        export(found)
    repo, commit = f"demo/{recipe.name}", _published(found, f"demo/{recipe.name}")
    name = f"{repo}@{commit}"
    log.info("Run %s is on the local Hub as %s", found.name, name)
    verification = next((each for each in found.verifications if each["commit"] == commit), None) or verify.verify(name)
    verdict = verification["verdict"]
    log.info("Verdict: %s. %s", verdict["kind"], verdict["sentence"])
    if not Kind(verdict["kind"]).good:
        raise VerdictError(f"{name} does not verify: {verdict['sentence']}")
    return name


def _for_this_machine(recipe: Recipe) -> Recipe:
    import torch

    from train import precision

    if torch.cuda.is_available() or precision.choose("auto") == "bf16":
        return recipe
    log.info(
        "Without fast bf16, which this CPU lacks, %s takes a quarter of an hour. So this trains less of it: "
        "%d epochs on the last %d tokens of the texts in the first of its training splits. "
        "For all of it: python -m train fit %s, then this command again.",
        *(recipe.name, EPOCHS, LAST_TOKENS, recipe.name),
    )
    return shortened(recipe)


def shortened(recipe: Recipe) -> Recipe:
    """Less of a recipe, for a first look on a machine that is slow."""
    less = {"epochs": min(recipe.training.epochs, EPOCHS), "last_tokens": LAST_TOKENS}
    training, data = (
        recipe.training.model_copy(update=less),
        recipe.data.model_copy(update={"train": recipe.data.train[:1]}),
    )
    return recipe.model_copy(update={"training": training, "data": data})


def _finished(recipe: Recipe) -> Run | None:
    """The newest complete run of this very recipe; the precision is what `auto` was found to be."""
    mine = (run for run in runs.every() if run.complete and run.path.parent.name == recipe.name)
    return next((run for run in mine if set(differences(run.record.recipe, recipe)) <= {"training.precision"}), None)


def _published(run: Run, repo: str) -> str:
    """The commit at which the run is on the local Hub; it is published if it is not there."""
    from core import hub
    from core.errors import NotOnHub
    from train.publish import publish

    for publication in reversed(run.publications):
        try:
            if publication["commit"] in {each["commit"] for each in hub.history(repo)}:
                return publication["commit"]
        except NotOnHub:
            break
    return publish(run, repo)


@contextmanager
def _app(port: int, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The app in a process of its own, answering; ended with the block."""
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true"]
    process = subprocess.Popen(
        [*command, f"--server.port={port}"],
        cwd=PROJECT,
        env=os.environ | {"VERDICT_MODELS": name, "VERDICT_RUNS": str(runs.root().resolve())},
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches us, and we end it
    )
    try:
        await_answer(process, f"http://127.0.0.1:{port}/_stcore/health")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def await_answer(process: "subprocess.Popen[Any]", url: str, seconds: float = 60) -> None:
    """Wait until the app answers. Raises VerdictError if it ends before, or takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise VerdictError("The app did not start; `streamlit run streamlit_app.py` says why.")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise VerdictError(f"Port {port} is taken. Choose another: PORT={port + 1} make demo") from None


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
