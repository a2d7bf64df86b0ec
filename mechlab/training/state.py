"""Everything a run needs to continue to the same final bytes: tensors and numbers, nothing pickled."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.dictionary import Dictionary


@dataclass(frozen=True)
class TrainingState:
    """A run after some number of steps.

    `tensors` holds parameters and buffers (`dictionary/`), Adam's moments (`optimizer/`), the dead-feature counters and
    the data source's position (`source/`); `numbers` holds `step`, `tokens`, the scales and the loss's level.
    """

    tensors: dict[str, Tensor]
    numbers: dict[str, float]


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies under `prefix/name`."""
    return {f"{prefix}/{name}": tensor.detach().clone() for name, tensor in tensors.items()}


def unprefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under a prefix, by their own names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer, dictionary: Dictionary) -> dict[str, Tensor]:
    """Return the optimiser's state as `moment/parameter`."""
    return {
        f"{moment}/{name}": value
        for name, parameter in dictionary.named_parameters()
        for moment, value in optimizer.state[parameter].items()
    }


def restore_dictionary(dictionary: Dictionary, state: TrainingState) -> None:
    """Put stored parameters and buffers back.

    Raises:
        ArtifactError: they are those of another dictionary.
    """
    try:
        dictionary.load_state_dict(unprefixed("dictionary", state.tensors))
    except RuntimeError:
        remedy = "Resume with the config the run was started with."
        raise ArtifactError("checkpoint is of another dictionary", value=dictionary.kind, remedy=remedy) from None


def restore_optimizer(optimizer: torch.optim.Optimizer, dictionary: Dictionary, state: TrainingState) -> None:
    """Put the optimiser's moments back."""
    stored = unprefixed("optimizer", state.tensors)
    moments = sorted({name.split("/", 1)[0] for name in stored})
    by_index = {
        index: {moment: stored[f"{moment}/{name}"].clone() for moment in moments}
        for index, (name, _) in enumerate(dictionary.named_parameters())
    }
    optimizer.load_state_dict({"state": by_index, "param_groups": optimizer.state_dict()["param_groups"]})
