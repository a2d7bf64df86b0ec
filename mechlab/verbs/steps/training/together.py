"""What a training run does otherwise when torchrun started several processes of it. In one process, nothing.

1. The processes meet and settle who trains what; the first one opens the run and tells the others where to go on.
2. Each runs the model on its share of the text; all see the batches that one process would see.
3. Checkpoints hold what everybody has once, and a shard from each of what is its own.
4. After training the first judges and writes; the others are done.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mechlab.activations.shared_reading import SharedReading
from mechlab.activations.stream import Sharing
from mechlab.core.errors import UsageError
from mechlab.core.processes import this_place
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.store.assistant import RunAssistant
from mechlab.store.checkpoints import Checkpoint
from mechlab.store.writer import RunWriter
from mechlab.training.parallel import CREWS
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.training.state import TrainingState

if TYPE_CHECKING:
    from mechlab.verbs.train_options import TrainOptions

USUAL_WAY = "rows"
FINISHED = -1
N_PROCESSES = "n_processes"

Keeper = RunWriter | RunAssistant


def crew_for(options: "TrainOptions", batch_size: int) -> Crew:
    """Return the crew this process is in, once all processes have met.

    Raises:
        UsageError: the kind cannot be trained in this way, or batch or features do not divide among the processes.
        UnknownName: there is no such way.
    """
    way = options.parallel or USUAL_WAY
    kind, cls = KINDS[options.kind], CREWS[way]
    if this_place().n == 1:
        return ONE
    if not cls.can_train(kind):
        remedy = f"It can be shared by {', '.join(name for name in CREWS if CREWS[name].can_train(kind)) or 'nothing'}."
        raise UsageError(f"{options.kind} cannot be trained with its {way} shared", remedy=remedy)
    from mechlab.training.parallel.group import join

    crew = cls(join(options.device))
    crew.refuse(options.features, batch_size)
    return crew


def sharing(crew: Crew) -> Sharing | None:
    """Return what makes of a source one that the crew reads together; None for a crew of one."""
    return partial(SharedReading, rank=crew.rank, n=crew.n, gather=crew.gather) if crew.n > 1 else None


def assistant_of(crew: Crew, out: Path) -> RunAssistant | None:
    """Return what a process that does not write keeps the run with, as the first process says; None if all is done."""
    word = crew.first(0)
    return None if word == FINISHED else RunAssistant(out, crew.rank, crew.n, word)


def tell_start(crew: Crew, found: Checkpoint | None) -> None:
    """Tell the others where the run goes on."""
    crew.first(0 if found is None else found.step)


def tell_finished(crew: Crew) -> None:
    """Tell the others that there is nothing to do."""
    crew.first(FINISHED)


def resumption(found: Checkpoint, crew: Crew) -> str:
    """Return the line that says where a run goes on, and by how many processes if that has changed."""
    before = int(found.numbers.get(N_PROCESSES, 1))
    changed = f"; begun in {before}, now in {crew.n} processes: the same batches, dealt anew"
    return f"resuming after step {found.step}{changed if before != crew.n else ''}"


def saver(keeper: Keeper, crew: Crew, dictionary: Dictionary) -> Callable[[int, TrainingState], None] | None:
    """Return what stores a state; None for a process that has no part in it."""

    def save(step: int, state: TrainingState) -> None:
        own = crew.own_tensors(state, dictionary)
        shards: tuple[str, ...] = ()
        if own:
            mine = {name: state.tensors[name] for name in own}
            digest = bytes.fromhex(keeper.save_shard(step, crew.rank, crew.n, mine))
            everyones = crew.gather(torch.frombuffer(bytearray(digest), dtype=torch.uint8))
            shards = tuple(bytes(one.tolist()).hex() for one in everyones)
        everywhere = {name: tensor for name, tensor in state.tensors.items() if name not in own}
        numbers = state.numbers if crew.n == 1 else {**state.numbers, N_PROCESSES: crew.n}
        keeper.save_checkpoint(step, everywhere, numbers, shards)

    return save if crew.saves else None
