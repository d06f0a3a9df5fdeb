"""Which backend reads texts here: the fastest of those that say what the reference says, on this machine.

Every backend that is useful on this processor reads some of an exported model's golden batch for time, one text after
the other and all at once; of the fastest ones, the first that passes the parity gate is chosen for either. The choices
are kept by processor, versions and files. A model without exported files is read by the reference.
"""

import atexit
import hashlib
import json
import logging
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from huggingface_hub import constants

from core import machine, parity, predictor
from core.backends import AUTO, BACKENDS, EXPORTED, REFERENCE, useful
from core.errors import InputError, ModelError
from core.files import PROJECT, write_json
from core.parity import GOLDEN, Parity
from core.predictor import Predictor

STATED = "onnx/export.json"
"""What an export says of its files."""
ROUNDS, EVERY = 2, 4
"""How often every so many texts of the golden batch are read for time."""
MANY = 4
"""Times that these texts are read at once: a batch of texts of a kind is as full as among many."""
HOPELESS = 2.0
"""Times slower than another with texts that come alone."""
KINDS = ("alone", "together")
log = logging.getLogger("verdict")


@dataclass(frozen=True)
class Choice:
    """What reads here."""

    backend: str
    parity: Parity | None
    """None of the reference"""

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Choice":
        """As asdict gave it."""
        return cls(stored["backend"], Parity(**stored["parity"]) if stored["parity"] else None)


@dataclass(frozen=True)
class Speed:
    """Seconds that a backend takes for some texts."""

    alone: float
    """for one of them, the geometric mean: short ones count as much as long ones"""
    together: float
    """for all of them at once"""


def load(folder: Path, backend: str = AUTO, *, many: bool = False) -> Predictor:
    """The model in `folder`, ready to predict, by `backend` or by the fastest that passes the parity gate.

    It is the fastest for texts that come alone, or for `many` at once. Raises ModelError; InputError for a backend that
    is not known, or whose file is not there.
    """
    if backend == AUTO:
        choice = choose(folder)["together" if many else "alone"]
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


def speeds(folder: Path) -> dict[str, Speed]:
    """How fast each backend reads some of the golden batch; one that cannot load the model is left out.

    Raises ModelError when there is no golden batch.
    """
    golden, found = parity.load(folder), dict[str, Speed]()
    texts, pairs = golden.texts[::EVERY], golden.pairs[::EVERY] if golden.pairs else None
    one_by_one = [([text], pairs[row : row + 1] if pairs else None) for row, text in enumerate(texts)]
    for backend in useful():
        if backend in EXPORTED and not (folder / EXPORTED[backend]).is_file():
            continue
        try:
            loaded = predictor.load(folder, backend)
            alone = geometric_mean(_seconds(loaded, *each) for each in one_by_one)
            if alone > HOPELESS * min([alone, *(each.alone for each in found.values())]):
                together = alone * len(texts) * MANY  # it is not worth the wait to know it better
            else:
                together = _seconds(loaded, texts * MANY, pairs and pairs * MANY)
            found[backend] = Speed(alone, together)
        except ModelError as error:
            log.warning("The backend %s is left out: %s", backend, error)
    return found


def gate(folder: Path, backend: str) -> Parity:
    """A backend against the reference, on the golden batch. Raises ModelError."""
    golden = parity.load(folder)
    return parity.between(predictor.load(folder, backend).predict(golden.texts, golden.pairs).logits, golden.logits)


def choose(folder: Path) -> dict[str, Choice]:
    """The fastest that passes, by what Speed tells; the reference where none does, or nothing was exported.

    Takes seconds where it is not known yet. Raises ModelError.
    """
    if already := known(folder):
        return already
    kept = _kept(folder)
    found, gates = speeds(folder), dict[str, Parity | None]()
    choices = {
        kind: _first(folder, sorted(found, key=lambda each, kind=kind: getattr(found[each], kind)), gates)  # type: ignore[misc]
        for kind in KINDS
    }
    tried = {
        "processor": machine.processor(),
        "seconds": {backend: asdict(each) for backend, each in found.items()},
        "choices": {kind: asdict(each) for kind, each in choices.items()},
    }
    try:
        write_json(kept, tried)
    except OSError as error:
        log.warning("The fastest backend will be looked for anew next time: %s", error)
    return choices


def known(folder: Path) -> dict[str, Choice] | None:
    """What `choose` found here before; None if it never did, or not as the model and the machine are now."""
    if not (folder / GOLDEN).is_file():
        return dict.fromkeys(KINDS, Choice(REFERENCE, None))
    kept = _kept(folder)
    try:
        stored = json.loads(kept.read_text(encoding="utf-8"))["choices"]
        return {kind: Choice.of(stored[kind]) for kind in KINDS}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def choose_apart(folder: Path) -> dict[str, Choice] | None:
    """`choose` in a process of its own, which ends with this one: no time and no memory of this one's is taken.

    None where it came to nothing; it says why itself.
    """
    command = [sys.executable, "-m", "core.fastest", str(folder.resolve())]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        atexit.register(process.kill)
        process.wait()
        atexit.unregister(process.kill)
    return known(folder)


def _first(folder: Path, backends: list[str], gates: dict[str, Parity | None]) -> Choice:
    """The first that passes the gate, else the reference; `gates` keeps what is found of each, None of a broken one."""
    for backend in backends:
        if backend not in gates:
            try:
                gates[backend] = gate(folder, backend)
            except ModelError as error:
                log.warning("The backend %s is left out: %s", backend, error)
                gates[backend] = None
        found = gates[backend]
        if found and found.passed:
            return Choice(backend, found)
    return Choice(REFERENCE, None)


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
    """Least of ROUNDS."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        loaded.predict(texts, pairs)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    choose(Path(sys.argv[1]))
