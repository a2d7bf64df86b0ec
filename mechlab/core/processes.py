"""This process among those that torchrun started together; alone where nobody did."""

import os
import sys
from dataclasses import dataclass
from typing import NoReturn

from mechlab.core.errors import UsageError


@dataclass(frozen=True)
class Place:
    """Number `rank` of `n` processes, number `local_rank` of the `n_local` on this machine; all count from zero."""

    rank: int = 0
    n: int = 1
    local_rank: int = 0
    n_local: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks and writes for all."""
        return self.rank == 0


def this_place() -> Place:
    """Return this process's place, as torchrun puts it into the environment.

    Raises:
        UsageError: the environment speaks of several processes, but does not say where they meet.
    """
    n = int(os.environ.get("WORLD_SIZE", "1"))
    if n < 2:
        return Place()
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        remedy = f"{', '.join(missing)} not set: start with torchrun --nproc-per-node {n} -m mechlab ..."
        raise UsageError("WORLD_SIZE speaks of several processes", value=n, remedy=remedy)
    rank = int(os.environ["RANK"])
    local_rank, n_local = (
        int(os.environ.get(f"LOCAL_{name}", here)) for name, here in (("RANK", rank), ("WORLD_SIZE", n))
    )
    return Place(rank, n, local_rank, n_local)


def end_at_once(code: int) -> NoReturn:
    """End this process without taking the interpreter down, as one of several has to.

    Threads of the group may outlive it in PyTorch's own keeping, and one that asks for the interpreter while that is
    taken down aborts a process that has done its work.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
