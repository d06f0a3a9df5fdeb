"""A small server for loopback that the Hugging Face Hub's own client can't tell from the Hub.

It is what the demo and the tests publish to: with HF_ENDPOINT set to it (and HF_HUB_DISABLE_XET=1, since it speaks
plain LFS), `huggingface_hub` and `transformers` work against it unchanged.
"""

from .server import LocalHub, run, serving

__all__ = ["LocalHub", "run", "serving"]
