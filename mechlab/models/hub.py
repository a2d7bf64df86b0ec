"""The hub: a model's name becomes a local folder, downloaded once."""

from pathlib import Path

import huggingface_hub
from huggingface_hub import errors as hub_errors

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models import MODELS

FILES = ["*.json", "*.safetensors", "tokenizer.model", "merges.txt", "vocab.txt"]
TIMEOUT_S = 10


def hub_folder(name: str) -> Path:
    """Return the folder of a hub model, from the local cache if the hub cannot be reached.

    Raises:
        UnknownName: the hub has no such model.
        UsageError: the hub cannot be reached and the model is not in the cache, or access is refused.
    """
    try:
        return _download(name, reachable=_reachable(name))
    except hub_errors.HFValidationError:
        raise _unknown(name) from None
    except hub_errors.HfHubHTTPError as error:
        # A gated model is, to the hub's library, one kind of model not found.
        if isinstance(error, hub_errors.RepositoryNotFoundError) and not isinstance(error, hub_errors.GatedRepoError):
            raise _unknown(name) from None
        remedy = f"The hub answered {error.response.status_code}; check access to the model."
        raise UsageError("model cannot be downloaded", value=name, remedy=remedy) from None
    except (hub_errors.LocalEntryNotFoundError, OSError):
        remedy = f"{_built_in()} Or give a folder on disk, or connect to the network."
        raise UsageError(
            "no network for a hub name that is neither built in nor a folder", value=name, remedy=remedy
        ) from None


def _unknown(name: str) -> UnknownName:
    remedy = f"{_built_in()} Or give a folder, or a name as the hub spells it."
    return UnknownName("unknown model: not built in, no folder, not on the hub", value=name, remedy=remedy)


def _built_in() -> str:
    return f"Built in: {', '.join(MODELS)}."


def _reachable(name: str) -> bool:
    """Ask the hub once, without its retries: a mistyped name should not take half a minute to refuse."""
    try:
        huggingface_hub.HfApi().model_info(name, timeout=TIMEOUT_S)
    except (hub_errors.HfHubHTTPError, hub_errors.HFValidationError):
        raise
    except Exception:  # offline mode, or whatever the HTTP library calls an unreachable host
        return False
    return True


def _download(name: str, reachable: bool) -> Path:
    folder = huggingface_hub.snapshot_download(
        name, allow_patterns=FILES, ignore_patterns=["*/*"], local_files_only=not reachable
    )
    return Path(folder)
