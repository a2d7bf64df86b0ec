"""The models that come with the package: each function returns its Hugging Face folder."""

from pathlib import Path


def tales() -> Path:
    """Return the folder of `tales`, the small storyteller trained on the built-in corpus."""
    return Path(__file__).parent / "tales"
