"""Everything a run needs to continue to the same final bytes: tensors and numbers, nothing pickled."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

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


def optimizer_tensors(optimizer: torch.optim.Optimizer, named: Mapping[str, Parameter]) -> dict[str, Tensor]:
    """Return the optimiser's state of some parameters as `moment/parameter`."""
    return {
        f"{moment}/{name}": torch.as_tensor(value)
        for name, parameter in named.items()
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


def restore_optimizer(
    optimizer: torch.optim.Optimizer, named: Mapping[str, Parameter], stored: Mapping[str, Tensor]
) -> None:
    """Put the moments of the optimiser's parameters, which are those named, back."""
    moments = sorted({name.split("/", 1)[0] for name in stored})
    by_index = {
        index: {moment: _as_kept(stored[f"{moment}/{name}"]) for moment in moments} for index, name in enumerate(named)
    }
    optimizer.load_state_dict({"state": by_index, "param_groups": optimizer.state_dict()["param_groups"]})


def _as_kept(value: Tensor) -> Tensor | int:
    """Return a stored moment as an optimiser keeps it: sparse Adam counts its steps in a plain whole number."""
    return value.clone() if value.is_floating_point() else int(value)
