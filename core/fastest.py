"""Which backend reads texts here: the fastest of those that say what the reference says, on this machine.

Every backend that is useful on this processor reads some of an exported model's golden batch for time; of the fastest
ones, the first that passes the parity gate is chosen. The choice is kept by processor, versions and files. A model
without exported files is read by the reference.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import constants

from core import machine, parity, predictor
from core.backends import AUTO, BACKENDS, EXPORTED, REFERENCE, useful
from core.errors import InputError, ModelError
from core.files import write_json
from core.parity import GOLDEN, Parity
from core.predictor import Predictor

STATED = "onnx/export.json"
"""What an export says of its files."""
ROUNDS, EVERY = 2, 3
"""How often every so many texts of the golden batch are read for time."""
log = logging.getLogger("verdict")


@dataclass(frozen=True)
class Choice:
    """What reads here."""

    backend: str
    parity: Parity | None
    """None of the reference"""


def load(folder: Path, backend: str = AUTO) -> Predictor:
    """The model in `folder`, ready to predict, by `backend` or by the fastest that passes the parity gate.

    Raises ModelError; InputError for a backend that is not known, or whose file is not there.
    """
    if backend == AUTO:
        choice = _choice(folder)
        found = predictor.load(folder, choice.backend)
        found.parity = choice.parity
        return found
    if backend not in BACKENDS:
        raise InputError(f"There is no backend {backend!r}: it can be {', '.join([AUTO, *BACKENDS])}.")
    if backend in EXPORTED and not (folder / EXPORTED[backend]).is_file():
        raise InputError(
            f"{backend} reads {EXPORTED[backend]}, which this model lacks. `python -m train export` writes it."
        )
    return predictor.load(folder, backend)


def speeds(folder: Path) -> dict[str, float]:
    """Seconds that each backend takes for some of the golden batch; one that cannot load the model is left out.

    Raises ModelError when there is no golden batch.
    """
    golden, found = parity.load(folder), {}
    texts, pairs = golden.texts[::EVERY], golden.pairs[::EVERY] if golden.pairs else None
    for backend in useful():
        if backend in EXPORTED and not (folder / EXPORTED[backend]).is_file():
            continue
        try:
            loaded = predictor.load(folder, backend)
            found[backend] = min(_seconds(loaded, texts, pairs) for _ in range(ROUNDS))
        except ModelError as error:
            log.warning("The backend %s is left out: %s", backend, error)
    return found


def gate(folder: Path, backend: str) -> Parity:
    """A backend against the reference, on the golden batch. Raises ModelError."""
    golden = parity.load(folder)
    return parity.between(predictor.load(folder, backend).predict(golden.texts, golden.pairs).logits, golden.logits)


def _choice(folder: Path) -> Choice:
    """The fastest that passes; the reference where none does, or nothing was exported."""
    if not (folder / GOLDEN).is_file():
        return Choice(REFERENCE, None)
    kept = _kept(folder)
    try:
        stored = json.loads(kept.read_text(encoding="utf-8"))["choice"]
        return Choice(stored["backend"], Parity(**stored["parity"]) if stored["parity"] else None)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never tried here, or not as it is now
    found = speeds(folder)
    choice = next(_passing(folder, sorted(found, key=found.__getitem__)), Choice(REFERENCE, None))
    try:
        write_json(kept, {"processor": machine.processor(), "seconds": found, "choice": asdict(choice)})
    except OSError as error:
        log.warning("The fastest backend will be looked for anew next time: %s", error)
    return choice


def _passing(folder: Path, backends: list[str]) -> Iterator[Choice]:
    for backend in backends:
        try:
            found = gate(folder, backend)
        except ModelError as error:
            log.warning("The backend %s is left out: %s", backend, error)
            continue
        if found.passed:
            yield Choice(backend, found)


def _kept(folder: Path) -> Path:
    """The file that keeps the trials of this model on this machine."""
    of = [machine.processor(), *map(version, ("torch", "onnxruntime", "openvino"))]
    for name in sorted({GOLDEN, *EXPORTED.values()}):
        if (path := folder / name).is_file():
            stat = path.stat()
            of += [name, str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns)]
    digest = hashlib.sha256("\n".join(of).encode()).hexdigest()
    return Path(constants.HF_HOME) / "verdict" / "backends" / f"{digest[:32]}.json"


def _seconds(loaded: Predictor, texts: list[str], pairs: list[str] | None) -> float:
    began = time.perf_counter()
    loaded.predict(texts, pairs)
    return time.perf_counter() - began
