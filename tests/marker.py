"""The tests' token is a marker: wherever it turns up that is not the Hub's own list of tokens, a secret leaked."""

from collections.abc import Iterable, Iterator
from pathlib import Path

TOKENS = "tokens.json"
"""The local Hub's own list, where its tokens belong."""


def in_output(token: str, sections: Iterable[tuple[str, str]]) -> list[str]:
    """Names of the captured sections (name, text) that show the token."""
    return [name for name, text in sections if token in text]


def in_files(token: str, folder: Path) -> Iterator[Path]:
    """Files under `folder` with the token in their content or name; links are followed to no second file."""
    for path in sorted(folder.rglob("*")):
        if token in path.name or (path.is_file() and path.name != TOKENS and token.encode() in path.read_bytes()):
            yield path
