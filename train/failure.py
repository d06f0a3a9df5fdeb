"""How a command that fails ends: what a VerdictError says is for users, a traceback is not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from core.errors import VerdictError


@contextmanager
def told() -> Iterator[None]:
    """Do a command inside: a VerdictError is told on standard error, and ends the process with status 1."""
    try:
        yield
    except VerdictError as error:
        Console(stderr=True).print(Text.assemble(("Error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(1)
