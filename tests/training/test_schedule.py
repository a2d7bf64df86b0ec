"""The learning rate is SAELens's: a line up, a plateau, a line down."""

import pytest
import torch
from sae_lens.training.optim import get_lr_scheduler

from mechlab.training.config import TrainConfig
from mechlab.training.schedule import learning_rate


@pytest.mark.parametrize(("warmup", "decay"), [(0, 0), (5, 0), (0, 8), (5, 8), (12, 8)])
def test_every_step_has_the_rate_saelens_gives_it(warmup: int, decay: int) -> None:
    config = TrainConfig(
        n_tokens=20, batch_size=1, lr=0.3, lr_warmup_fraction=warmup / 20, lr_decay_fraction=decay / 20
    )
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = get_lr_scheduler("constant", optimizer, 20, 0.3, warmup, decay, lr_end=0.03, num_cycles=1)
    for step in range(20):
        assert learning_rate(step, config) == pytest.approx(optimizer.param_groups[0]["lr"]), step
        optimizer.step()
        theirs.step()
