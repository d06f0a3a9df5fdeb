"""What a run was made with: versions, processor, code. Nothing that names the machine or its user."""

import platform
import subprocess
from importlib.metadata import version
from typing import Any

import torch

from core import machine
from core.files import PROJECT

PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "evaluate", "huggingface_hub", "scikit-learn", "numpy")


def describe(seed: int) -> dict[str, Any]:
    """The environment part of a run's record."""
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": machine.processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "code": _code(),
        "seed": seed,
    }


def _code() -> dict[str, Any]:
    """The project's commit, and whether the working tree differs from it; empty outside a git checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=PROJECT, check=True, capture_output=True, text=True).stdout.strip()
