"""Which files are stored by their SHA-256 (LFS) rather than by git itself."""

import codecs
from pathlib import PurePosixPath

LARGEST_SMALL_FILE = 10_000_000  # bytes

ARCHIVES = ("7z", "bz2", "gz", "rar", "tar", "tgz", "xz", "zip", "zst")
WEIGHTS = ("bin", "ckpt", "ftz", "gguf", "h5", "model", "onnx", "ot", "pb", "pt", "pth", "safetensors", "tflite")
DATA = ("arrow", "joblib", "msgpack", "npy", "npz", "parquet", "pickle", "pkl", "wasm")
MEDIA = ("gif", "ico", "jpeg", "jpg", "mp3", "mp4", "pdf", "png", "wav", "webp")
LARGE = (*ARCHIVES, *WEIGHTS, *DATA, *MEDIA)  # file name extensions


def gitattributes() -> bytes:
    """The .gitattributes file that a new repo starts with."""
    return "".join(f"*.{extension} filter=lfs diff=lfs merge=lfs -text\n" for extension in sorted(LARGE)).encode()


def is_large(path: str, size: int, sample: bytes) -> bool:
    """Whether a file goes to LFS: by its name, its size in bytes, or a sample of its first bytes that isn't text."""
    extension = PurePosixPath(path).suffix.lstrip(".").lower()
    return extension in LARGE or size > LARGEST_SMALL_FILE or not _is_text(sample)


def _is_text(sample: bytes) -> bool:
    try:  # the sample may end within a character, which an incremental decoder forgives
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return b"\0" not in sample
