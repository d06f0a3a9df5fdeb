"""Which backend reads texts here: the fastest of those that say what the reference says, on this machine.

An exported model is tried once on its golden batch, by each backend that its files are for; what came of that is kept
by processor, versions and files. A model without exported files is read by the reference.
"""

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import constants

from core import machine, parity, predictor
from core.backends import AUTO, BACKENDS, EXPORTED, REFERENCE
from core.errors import InputError, ModelError
from core.files import write_json
from core.parity import GOLDEN, Parity
from core.predictor import Predictor

STATED = "onnx/export.json"
"""What an export says of its files."""
ROUNDS, EVERY = 2, 3
"""How often every so many texts of the golden batch are read for time, after all were read for what is said of them."""
log = logging.getLogger("verdict")


@dataclass(frozen=True)
class Trial:
    """A backend on the golden batch."""

    backend: str
    seconds: float
    parity: Parity


def load(folder: Path, backend: str = AUTO) -> Predictor:
    """The model in `folder`, ready to predict, by `backend` or by the fastest that passes the parity gate.

    Raises ModelError; InputError for a backend that is not known, or whose file is not there.
    """
    if backend == AUTO:
        best = _best(folder)
        found = predictor.load(folder, best.backend if best else REFERENCE)
        found.parity = best.parity if best else None
        return found
    if backend not in BACKENDS:
        raise InputError(f"There is no backend {backend!r}: it can be {', '.join([AUTO, *BACKENDS])}.")
    if backend in EXPORTED and not (folder / EXPORTED[backend]).is_file():
        raise InputError(
            f"{backend} reads {EXPORTED[backend]}, which this model lacks. `python -m train export` writes it."
        )
    return predictor.load(folder, backend)


def try_all(folder: Path) -> list[Trial]:
    """Every backend that the exported files are for, on the golden batch; one that cannot load them is left out.

    Raises ModelError when there is no golden batch.
    """
    golden, trials = parity.load(folder), []
    for backend in [each for each, file in EXPORTED.items() if (folder / file).is_file()]:
        try:
            loaded = predictor.load(folder, backend)
            found = parity.between(loaded.predict(golden.texts, golden.pairs).logits, golden.logits)
            trials.append(Trial(backend, min(_seconds(loaded, golden) for _ in range(ROUNDS)), found))
        except ModelError as error:
            log.warning("The backend %s is left out: %s", backend, error)
    return trials


def _best(folder: Path) -> Trial | None:
    """The fastest that passes; None where none does, or nothing was exported."""
    if not (folder / GOLDEN).is_file():
        return None
    kept = _kept(folder)
    try:
        stored = json.loads(kept.read_text(encoding="utf-8"))
        trials = [Trial(each["backend"], each["seconds"], Parity(**each["parity"])) for each in stored["trials"]]
    except (OSError, ValueError, KeyError, TypeError):
        trials = try_all(folder)
        try:
            write_json(kept, {"processor": machine.processor(), "trials": [asdict(each) for each in trials]})
        except OSError as error:
            log.warning("The fastest backend will be looked for anew next time: %s", error)
    return min((each for each in trials if each.parity.passed), key=lambda each: each.seconds, default=None)


def _kept(folder: Path) -> Path:
    """The file that keeps the trials of this model on this machine."""
    of = [machine.processor(), *map(version, ("onnxruntime", "openvino"))]
    for name in sorted({GOLDEN, *EXPORTED.values()}):
        if (path := folder / name).is_file():
            stat = path.stat()
            of += [name, str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns)]
    digest = hashlib.sha256("\n".join(of).encode()).hexdigest()
    return Path(constants.HF_HOME) / "verdict" / "backends" / f"{digest[:32]}.json"


def _seconds(loaded: Predictor, golden: parity.Golden) -> float:
    texts, pairs = golden.texts[::EVERY], golden.pairs[::EVERY] if golden.pairs else None
    began = time.perf_counter()
    loaded.predict(texts, pairs)
    return time.perf_counter() - began
