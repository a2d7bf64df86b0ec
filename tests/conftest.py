"""Test set-up: shape annotations are executed, tiny models run on one thread, and no hub is asked."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from jaxtyping import install_import_hook

install_import_hook("mechlab", "typechecker.check")

import torch  # noqa: E402

torch.set_num_threads(1)
