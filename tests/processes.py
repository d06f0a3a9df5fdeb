"""Processes of their own for tests that kill, interrupt or limit them, begun in milliseconds.

A new Python takes ten seconds to import what training needs; the fork server does so once and hands out copies.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["train.fit", "transformers.models.bert.modeling_bert"])


def start(said: Path, work: Callable[..., Any], *args: Any, **environment: str) -> BaseProcess:
    """Begin `work(*args)` in a process with this environment; all it says goes to the file `said`."""
    process = _server.Process(target=_do, args=(said, os.environ | environment, work, args))
    # A new process runs the main module's file first, which is a page where Streamlit tested one before.
    with patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
        process.start()
    return process


def _do(said: Path, environment: dict[str, str], work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ |= environment
    with suppress(BrokenPipeError):
        work(*args)
