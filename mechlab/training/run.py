"""A training run in memory: a dictionary, its optimiser, its counters, and one step forward."""

import math

import torch
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.runtime import keep_freed_memory
from mechlab.dictionaries.dictionary import Dictionary, Losses, StepContext
from mechlab.dictionaries.peers import ALONE
from mechlab.training.config import TrainConfig
from mechlab.training.divergence import LossGuard
from mechlab.training.first_batch import refuse_other_widths, scales, start_b_dec
from mechlab.training.gradients import differentiate
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.training.scales import Scales
from mechlab.training.schedule import learning_rate
from mechlab.training.source import Batch, DataSource
from mechlab.training.state import (
    TrainingState,
    optimizer_tensors,
    prefixed,
    restore_dictionary,
    restore_optimizer,
    unprefixed,
)
from mechlab.training.unit_decoder import normalise_decoder, project_decoder_gradient

FUSED_DEVICES = ("cpu", "cuda")


class TrainingRun:
    """What changes while a dictionary trains."""

    def __init__(self, dictionary: Dictionary, source: DataSource, config: TrainConfig, crew: Crew = ONE) -> None:
        self.dictionary, self.source, self.config, self.crew = dictionary, source, config, crew
        dictionary.peers = crew.peers
        keep_freed_memory(of_any_size=dictionary.in_tiles)
        device = dictionary.b_dec.device
        self.optimizer = torch.optim.Adam(
            dictionary.parameters(), lr=config.lr, betas=config.betas, fused=device.type in FUSED_DEVICES
        )
        self.step = 0
        self.tokens = 0
        self.scales: Scales | None = None
        self.tokens_since_fired = torch.zeros(dictionary.config.d_sae, dtype=torch.int64, device=device)
        self.guard = LossGuard(config.explosion_factor)
        self.last_checkpoint: int | None = None

    @property
    def lr(self) -> float:
        """Learning rate of the coming step."""
        return learning_rate(self.step, self.config)

    @property
    def dead(self) -> Tensor:
        """Which features have not fired for longer than the window."""
        return self.tokens_since_fired > self.config.dead_after_tokens

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """Return the next scaled inputs and targets, of which each process takes its share.

        The first batch, whole, sets the scales and `b_dec`.
        """
        inputs, targets = _pair(self._draw(), self.dictionary.b_dec)
        if self.scales is None:
            refuse_other_widths(self.dictionary, inputs, targets)
            self.scales = scales(inputs, targets, self.config, self.dictionary.config.n_scales)
            start_b_dec(self.dictionary, self.scales.of_targets(targets), self.config)
            if self.config.decoder == "unit":
                normalise_decoder(self.dictionary)
        scaled = self.scales.of_inputs(self.crew.share(inputs))
        return scaled, scaled if targets is inputs else self.scales.of_targets(self.crew.share(targets))

    def advance(self, inputs: Tensor, targets: Tensor) -> Losses:
        """Take one optimiser step and return its losses, computed before the update.

        Raises:
            TrainingDiverged: the loss is not finite or has exploded; parameters are as before the step.
        """
        context = StepContext(self.step, self.dead)
        losses = differentiate(self.dictionary, inputs, targets, context, self.config.precision)
        whole = self.crew.whole(losses)
        self.guard.check_loss(whole.total.item(), self)
        self.crew.reduce_gradients(self.dictionary)
        if self.config.decoder == "unit":
            project_decoder_gradient(self.dictionary)
        norm = self.crew.gradient_norm(self.dictionary)
        self.guard.check_gradient(norm.item(), self)
        torch.nn.utils.clip_grads_with_norm_(self.dictionary.parameters(), self.config.grad_clip or math.inf, norm)
        self._update()
        self.dictionary.after_step(losses)
        self._count(whole, inputs.shape[0] * self.crew.n_row_shares)
        return whole

    def finish(self) -> None:
        """Fold scales and decoder norms into the weights: the dictionary now takes raw activations."""
        if self.scales is not None:
            self.scales.fold_into(self.dictionary)
        self.dictionary.fold_decoder_norms()
        self.dictionary.peers = ALONE

    def state(self) -> TrainingState:
        """Return copies of everything that determines the rest of the run."""
        tensors = {
            **prefixed("dictionary", self.dictionary.state_dict()),
            **prefixed("optimizer", optimizer_tensors(self.optimizer, dict(self.dictionary.named_parameters()))),
            **prefixed("source", self.source.state()),
            "tokens_since_fired": self.tokens_since_fired.clone(),
        }
        numbers = {
            "step": self.step,
            "tokens": self.tokens,
            **(self.scales or Scales()).numbers(),
            "loss_level": self.guard.level or 0.0,
        }
        return TrainingState(tensors, numbers)

    def restore(self, state: TrainingState) -> None:
        """Continue where a stored run was."""
        restore_dictionary(self.dictionary, state)
        stored = unprefixed("optimizer", state.tensors)
        restore_optimizer(self.optimizer, dict(self.dictionary.named_parameters()), stored)
        self.source.restore(unprefixed("source", state.tensors))
        self.tokens_since_fired.copy_(state.tensors["tokens_since_fired"])
        self.step, self.tokens = int(state.numbers["step"]), int(state.numbers["tokens"])
        self.scales = Scales.from_numbers(state.numbers, self.dictionary.config.n_scales)
        self.guard.level = state.numbers["loss_level"]
        self.last_checkpoint = self.step

    def _draw(self) -> Batch:
        try:
            return self.source.next()
        except StopIteration:
            remedy = f"{self.config.n_steps} steps were asked for; lower n_tokens or give more text."
            raise UsageError("activations ran out", value=f"after {self.step} steps", remedy=remedy) from None

    def _update(self) -> None:
        self.optimizer.param_groups[0]["lr"] = self.lr
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.config.decoder == "unit":
            normalise_decoder(self.dictionary)

    def _count(self, losses: Losses, n_tokens: int) -> None:
        self.tokens_since_fired += n_tokens
        self.tokens_since_fired[losses.fired] = 0
        self.tokens += n_tokens
        self.step += 1


def _pair(batch: Batch, like: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(batch, Tensor):
        rows = batch.to(like.device, like.dtype)
        return rows, rows
    inputs, targets = batch
    return inputs.to(like.device, like.dtype), targets.to(like.device, like.dtype)
