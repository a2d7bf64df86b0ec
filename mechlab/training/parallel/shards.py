"""A dictionary and a training state in equal stretches of features, one for each process, and joined again."""

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.parallel.group import Group
from mechlab.training.state import TrainingState

COUNTERS = "tokens_since_fired"
OF_FEATURES = ("dictionary", "optimizer")


def part_of(dictionary: Dictionary, rank: int, n: int) -> Dictionary:
    """Return stretch `rank` of `n` of a dictionary's features, as a dictionary of its own."""
    size = dictionary.config.d_sae // n
    part = type(dictionary)(dictionary.config.model_copy(update={"d_sae": size}))
    part.load_state_dict(
        {
            name: value if name in dictionary.undivided else value[rank * size : (rank + 1) * size]
            for name, value in dictionary.state_dict().items()
        }
    )
    return part


def whole_of(part: Dictionary, group: Group) -> Dictionary:
    """Return the dictionary whose stretches the processes hold, on the CPU; every process calls this."""
    whole = type(part)(part.config.model_copy(update={"d_sae": part.config.d_sae * group.n}))
    whole.load_state_dict(
        {name: value if name in part.undivided else group.joined(value) for name, value in part.state_dict().items()}
    )
    return whole


def divided(state: TrainingState, undivided: frozenset[str]) -> set[str]:
    """Return the names of a state's tensors that have an axis of features."""
    return {
        name
        for name, tensor in state.tensors.items()
        if name == COUNTERS
        or (name.split("/")[0] in OF_FEATURES and tensor.ndim > 0 and name.rsplit("/", 1)[-1] not in undivided)
    }


def state_of_part(state: TrainingState, undivided: frozenset[str], size: int, rank: int) -> TrainingState:
    """Return the state of stretch `rank` of `size` features each; a tensor of that size is one already."""
    cut = divided(state, undivided)
    tensors = {
        name: tensor[rank * size : (rank + 1) * size] if name in cut and len(tensor) != size else tensor
        for name, tensor in state.tensors.items()
    }
    return TrainingState(tensors, state.numbers)
