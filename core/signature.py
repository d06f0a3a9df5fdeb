"""Who vouches for a publication: an OpenSSF model signature of its manifest, which states the hash of every other file.

Signatures are optional, and so is the library that makes and checks them (requirements-sign.txt). Keys are PEM files
with elliptic-curve keys; nothing else is needed, and nobody is asked.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.errors import SignatureError
from core.hub import MANIFEST, SIGNATURE, Publication

KEY = "VERDICT_PUBLIC_KEY"
"""The environment variable with the path of the public key that signatures are checked with."""
log = logging.getLogger("verdict")


@dataclass(frozen=True)
class Signature:
    """What is known of a publication's signature."""

    state: str
    """in words"""
    problem: str = ""
    """what is wrong with the file that holds it; empty if nothing is"""


def sign(manifest: bytes, key: Path) -> bytes:
    """The signature of a manifest by the private key in a file. Raises SignatureError when it cannot be made."""
    with _placed({MANIFEST: manifest}) as folder, _library():
        from model_signing import signing

        config = signing.Config()  # type: ignore[no-untyped-call]
        config.use_elliptic_key_signer(private_key=key).sign(folder / MANIFEST, folder / SIGNATURE)
        return (folder / SIGNATURE).read_bytes()


def check(publication: Publication) -> Signature:
    """Whether a publication is signed, by which key, and whether the key in VERDICT_PUBLIC_KEY made the signature.

    Raises IntegrityError for a damaged manifest, SignatureError when it cannot be checked with that key.
    """
    if not (publication.folder / SIGNATURE).is_file():
        missing = Signature("The signature is missing.", "is missing, though the manifest says that it is signed")
        return missing if publication.signed else Signature("Not signed.")
    if not (key := os.environ.get(KEY)):
        return Signature(f"Signed; by whom was not checked, as {KEY} names no key.")
    fingerprint = _fingerprint(Path(key))
    verifier = _verifier(Path(key))
    try:
        with _placed({name: (publication.folder / name).read_bytes() for name in (MANIFEST, SIGNATURE)}) as folder:
            verifier.verify(folder / MANIFEST, folder / SIGNATURE)
    except Exception as error:  # whatever a damaged signature makes the library raise
        log.debug("%s: %r", publication.name, error)
        return Signature("The signature failed.", f"is not the manifest's signature by the key {fingerprint}")
    return Signature(f"Signed by the key {fingerprint}.")


def _verifier(key: Path) -> Any:
    with _library():
        from model_signing import verifying

        config = verifying.Config()  # type: ignore[no-untyped-call]
        return config.use_elliptic_key_verifier(public_key=key)


def _fingerprint(key: Path) -> str:
    """The beginning of the SHA-256 of a public key, by which people tell keys apart."""
    with _library():
        from cryptography.hazmat.primitives import serialization

        public = serialization.load_pem_public_key(key.read_bytes())
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, spki)).hexdigest()[:16]


@contextmanager
def _library() -> Iterator[None]:
    """Say in our words that the library or the key is missing or of no use."""
    try:
        yield
    except ImportError:
        raise SignatureError("Signatures need a library: pip install -r requirements-sign.txt") from None
    except (OSError, ValueError, TypeError) as error:
        raise SignatureError(
            f"The key can't be used: {error}. It must be an elliptic-curve key in a PEM file."
        ) from error


@contextmanager
def _placed(files: dict[str, bytes]) -> Iterator[Path]:
    """A folder with these files: what is signed is a plain file of that name, no link into a cache."""
    with TemporaryDirectory(prefix="verdict-") as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        yield Path(folder)
