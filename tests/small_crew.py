"""Small dictionaries trained by several processes; run as a program, it is one of those processes.

Each kind trains in every way it supports, on the batches one process would take.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.processes import end_at_once
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.parallel import CREWS
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.training.source import TensorSource

D_IN, D_SAE, BATCH, N_STEPS = 20, 96, 120, 12
TRAIN = TrainConfig(
    n_tokens=N_STEPS * BATCH, batch_size=BATCH, lr=3e-3, dead_after_tokens=BATCH, log_every_steps=4, grad_clip=0.5
)
# With an L1 weight of 0.1 one gradient of the crosscoder is 1e-10 by chance, and Adam's first step divides by it.
SMALL = {"k": 3, "n_layers": 2, "l0_coefficient": 0.1, "l1_coefficient": 0.12, "pre_act_loss_coefficient": 0.01}
STORES: list[dist.TCPStore] = []


@dataclass(frozen=True)
class Case:
    """One kind with some options, trained in one way by a crew."""

    kind: str
    way: str
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        changed = [f"{key}={value}" for key, value in {**self.options, **self.training}.items()]
        return " ".join([self.kind, self.way, *changed])

    def dictionary(self) -> Dictionary:
        config = KINDS[self.kind].Config
        small = {key: value for key, value in SMALL.items() if key in config.model_fields}
        return KINDS[self.kind](build(config, {"d_in": D_IN, "d_sae": D_SAE, **small, **self.options}))

    @property
    def config(self) -> TrainConfig:
        return TRAIN.model_copy(update=self.training)


def ways(kind: str) -> list[str]:
    """Return the ways in which a kind says it can be trained by several processes."""
    return [way for way in CREWS if CREWS[way].can_train(KINDS[kind])]


def cases() -> list[Case]:
    """Return every kind in every way it supports, and the options of single kinds that look over batch or features."""
    more = [
        Case("topk", way, options, training)
        for way in CREWS
        for options, training in (
            ({"d_out": 9, "skip": True}, {}),
            ({"k": 70}, {"decoder": "unit"}),
            ({"rescale_acts_by_decoder_norm": False}, {"grad_clip": None, "normalization": "none"}),
        )
    ]
    for way in CREWS:
        more += [Case("batchtopk", way, {"k": 2.51}), Case("relu", way, {"l1_weighted_by_decoder_norm": False})]
        for mode in ("tanh", "quadratic"):
            more.append(Case("jumprelu", way, {"jumprelu_sparsity_loss_mode": mode, "target_l0": 9.0}))
    return [*(Case(kind, way) for kind in KINDS for way in ways(kind)), *more]


def vectors(case: Case) -> TensorSource:
    """Return batches of a few directions, few of which are on, and what a transcoder is to make of them."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.randn(24, D_IN, generator=draw)
    strengths = torch.rand(2000, 24, generator=draw) * (torch.rand(2000, 24, generator=draw) < 0.15)
    config = case.dictionary().config
    targets = strengths @ torch.randn(24, config.width_out, generator=draw) if config.d_out is not None else None
    return TensorSource(strengths @ directions + 0.5, BATCH, targets=targets)


def trained(case: Case, crew: Crew = ONE) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Return the trained whole dictionary's tensors and the log."""
    lines: list[dict[str, float]] = []
    part = crew.part(case.dictionary())
    result = fit(part, vectors(case), case.config, Watcher(log=lines.append), crew=crew)
    whole = crew.joined(part)
    return {**whole.state_dict(), "n_dead": torch.tensor(crew.dead_share(result.dead) * D_SAE)}, lines


def start(n: int, *words: object, **environment: str) -> list["subprocess.Popen[str]"]:
    """Start n Python processes as torchrun would; `words` are what stands behind `python`."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    STORES.append(store)  # as torchrun does, it outlives the processes that meet there
    shared = {**os.environ, "WORLD_SIZE": str(n), "LOCAL_WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1"}
    shared |= {
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        **environment,
    }
    command = [sys.executable, *map(str, words)]
    return [
        subprocess.Popen(
            command,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n)
    ]


def outputs(processes: Sequence["subprocess.Popen[str]"], timeout: float = 300) -> list[tuple[int, str, str]]:
    """Wait for the processes; return exit code, stdout and stderr of each."""
    told = [process.communicate(timeout=timeout) for process in processes]
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, told, strict=True)]


def main(folder: Path, names: Sequence[str]) -> None:
    """Train all cases (or those named) as one process of a crew; the first process writes what came out."""
    from mechlab.training.parallel.group import join

    torch.set_num_threads(1)
    group = join("cpu")
    for case in cases():
        if names and case.name not in names:
            continue
        crew = CREWS[case.way](group)
        tensors, lines = trained(case, crew)
        for tensor in tensors.values():
            assert all(torch.equal(tensor, other) for other in group.gather(tensor)), case.name
        if group.rank == 0:
            save_file(tensors, folder / f"{case.name}.safetensors")
            (folder / f"{case.name}.json").write_text(json.dumps(lines))
    group.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    end_at_once(0)
