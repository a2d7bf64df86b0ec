"""The loop that trains a language model whose activations pass through codebooks.

1. Take a batch of token rows; predict every next token with the codebooks in place.
2. The loss is the prediction's, plus each codebook's squared error, which its codes alone learn from.
3. Clip the gradient of the model's weights; take an Adam step of weights and of the codes that were chosen.
4. Every so often put codes that nobody chose at activations of the batch.
5. Stop if the loss is no longer a loss; log; checkpoint what is known to be good.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechlab.core.errors import ArtifactError
from mechlab.core.randomness import torch_generator
from mechlab.core.shapes import Logits, Tokens
from mechlab.dictionaries.codebook import Codebook, Snapped
from mechlab.dictionaries.upkeep import revive
from mechlab.training.checkpoints import Checkpointer
from mechlab.training.course import Watcher
from mechlab.training.divergence import LossGuard
from mechlab.training.finetune_config import FinetuneConfig
from mechlab.training.row_adam import RowAdam
from mechlab.training.schedule import is_due, learning_rate
from mechlab.training.state import TrainingState, optimizer_tensors, prefixed, restore_optimizer, unprefixed

EXPLOSION_FACTOR = 100.0


@runtime_checkable
class Snapping(Protocol):
    """A language model with codebooks, as this loop knows it."""

    @property
    def codebooks(self) -> Mapping[str, Codebook]:
        """Return the codebooks by site."""
        ...

    def logits(self, tokens: Tokens) -> Logits:
        """Return next-token logits."""
        ...

    def watching(self, look: Callable[[str, Snapped], None]) -> AbstractContextManager[None]:
        """Show every snap inside the context."""
        ...

    def weights_to_train(self) -> Mapping[str, torch.nn.Parameter]:
        """Return the model's own weights by name."""
        ...


@runtime_checkable
class RowSource(Protocol):
    """Token rows, batch after batch, from any batch on."""

    def batch(self, step: int) -> Int[Tensor, "rows pos"]:
        """Return the batch of a step."""
        ...


@dataclass(frozen=True)
class StepLosses:
    """A batch's losses in nats and squared units, and what was chosen in it."""

    prediction: Tensor
    errors: dict[str, Tensor]
    snapped: dict[str, Snapped]


class FinetuneRun:
    """What changes while a model is trained further; at its end the model is what it was trained to be."""

    def __init__(self, model: Snapping, source: RowSource, config: FinetuneConfig, seed: int = 0) -> None:
        self.model, self.source, self.config, self.seed = model, source, config, seed
        self.step = 0
        self.last_checkpoint: int | None = None
        self.guard = LossGuard(EXPLOSION_FACTOR)
        learns = config.train == "all"
        self.weights = dict(model.weights_to_train()) if learns else {}
        for parameter in model.weights_to_train().values():
            parameter.requires_grad_(learns)
        self.codes = {site: book.codes for site, book in model.codebooks.items()}
        self.scales = {site: book.scale for site, book in model.codebooks.items()}
        self.chosen = {site: codes.new_zeros(len(codes), dtype=torch.int64) for site, codes in self.codes.items()}
        nothing = [torch.nn.Parameter()]  # an optimiser wants parameters, also where there are no codes or no weights
        of_sites = [{"params": [codes]} for codes in self.codes.values()]
        self.of_codes = RowAdam(of_sites or nothing, lr=config.rate_of_codes, betas=config.betas)
        self._note_spreads()
        self.of_weights = torch.optim.AdamW(
            self.weights.values() or nothing,
            lr=config.lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )

    @property
    def lr(self) -> float:
        """Learning rate of the model's weights in the coming step."""
        return learning_rate(self.step, self.config)

    def advance(self) -> StepLosses:
        """Take one step and return its losses, computed before the update.

        Raises:
            TrainingDiverged: the loss is not finite or has exploded.
        """
        losses = losses_of(self.model, self.source.batch(self.step))
        total = losses.prediction + self.config.error_weight * sum(
            losses.errors.values(), torch.zeros_like(losses.prediction)
        )
        self.guard.check_loss(total.item(), self)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), self.config.grad_clip or math.inf)
        self.guard.check_gradient(norm.item(), self)
        self._update()
        self.step += 1
        self._keep_in_use(losses.snapped)
        return losses

    def state(self) -> TrainingState:
        """Return copies of everything that determines the rest of the run."""
        tensors = {
            **prefixed("weights", self.weights),
            **prefixed("codes", self.codes),
            **prefixed("scale", self.scales),
            **prefixed("chosen", self.chosen),
            **prefixed("optimizer_of_weights", optimizer_tensors(self.of_weights, self.weights)),
            **prefixed("optimizer_of_codes", optimizer_tensors(self.of_codes, self.codes)),
        }
        return TrainingState(tensors, {"step": self.step, "loss_level": self.guard.level or 0.0})

    @torch.no_grad()
    def restore(self, state: TrainingState) -> None:
        """Continue where a stored run was.

        Raises:
            ArtifactError: it was of another model or of other codebooks.
        """
        kept = {"weights": self.weights, "codes": self.codes, "scale": self.scales, "chosen": self.chosen}
        for group, own in kept.items():
            stored = unprefixed(group, state.tensors)
            if {name: one.shape for name, one in stored.items()} != {name: one.shape for name, one in own.items()}:
                remedy = "Resume with the config the run was started with."
                raise ArtifactError("checkpoint is of another model", value=group, remedy=remedy)
            for name, tensor in own.items():
                tensor.copy_(stored[name])
        if self.weights:
            of_weights = unprefixed("optimizer_of_weights", state.tensors)
            restore_optimizer(self.of_weights, self.weights, of_weights)
        if self.codes:
            restore_optimizer(self.of_codes, self.codes, unprefixed("optimizer_of_codes", state.tensors))
        self._note_spreads()
        self.step, self.guard.level = int(state.numbers["step"]), state.numbers["loss_level"]
        self.last_checkpoint = self.step

    def _note_spreads(self) -> None:
        """Keep each site's spread as a number, so that no step waits for a device to tell it."""
        for group, scale in zip(self.of_codes.param_groups, self.scales.values(), strict=bool(self.scales)):
            group["spread"] = scale.item()

    def _update(self) -> None:
        peak = self.config.rate_of_codes * self.lr / self.config.lr
        for group in self.of_codes.param_groups:
            group["lr"] = peak * math.sqrt(group.get("spread", 1.0))
        self.of_weights.param_groups[0]["lr"] = self.lr
        for optimizer in (self.of_weights, self.of_codes):
            optimizer.step()
            optimizer.zero_grad()

    @torch.no_grad()
    def _keep_in_use(self, snapped: Mapping[str, Snapped]) -> None:
        """Count what was chosen; at the end of a stretch put what was not elsewhere, and forget its moments."""
        for site, found in snapped.items():
            self.chosen[site] += found.ids.flatten().bincount(minlength=len(self.chosen[site]))
        every = self.config.revive_every_steps
        if every is None or self.step % every or self.step > self.config.revive_until * self.config.n_steps:
            return
        for site, found in snapped.items():
            unused = self.chosen[site] == 0
            draw = torch_generator(self.seed, f"revived codes {site} {self.step}")
            revive(self.model.codebooks[site], unused, found.compared.flatten(0, -2), draw)
            for name in ("exp_avg", "exp_avg_sq"):
                self.of_codes.state[self.codes[site]][name][unused] = 0
            self.chosen[site].zero_()


def losses_of(model: Snapping, tokens: Tokens) -> StepLosses:
    """Return the losses of predicting every next token of the rows, with the codebooks in place."""
    snapped: dict[str, Snapped] = {}
    with model.watching(snapped.__setitem__):
        logits = model.logits(tokens)[:, :-1]
    prediction = cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].to(logits.device).long().flatten())
    return StepLosses(prediction, {site: found.error for site, found in snapped.items()}, snapped)


def finetune(
    model: Snapping,
    source: RowSource,
    config: FinetuneConfig,
    watcher: Watcher | None = None,
    resume: TrainingState | None = None,
    seed: int = 0,
) -> None:
    """Train a model with codebooks in place; without any it is plain training on next tokens, the control.

    Args:
        model: on the device it trains on.
        source: its batches.
        config: how to train.
        watcher: who is told; nobody by default.
        resume: a state an earlier run saved with the same config; the end is the same, byte for byte.
        seed: of the codes that are put elsewhere.

    Raises:
        TrainingDiverged: the loss exploded; saved states are untouched.
        ArtifactError: the state is of another model.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features", section 2.2; reviving codes, a falling learning rate
    and sparse updates are ours.
    """
    watcher, run = watcher or Watcher(), FinetuneRun(model, source, config, seed)
    if resume is not None:
        run.restore(resume)
    checkpoints = Checkpointer(run, watcher.save)
    with watcher.progress.task("fine-tuning", config.n_steps, "steps") as bar:
        bar.advance(run.step)
        while run.step < config.n_steps:
            lr = run.lr
            losses = run.advance()
            checkpoints.release()
            shown: dict[str, float] = {}
            if is_due(run.step, config.log_every_steps, config.n_steps):
                line = log_line(run, losses, lr)
                shown = {"loss_nats": line["loss_nats"]}
                if watcher.log is not None:
                    watcher.log(line)
            bar.advance(1, **shown)
            if config.checkpoint_every_steps and is_due(run.step, config.checkpoint_every_steps, config.n_steps):
                checkpoints.hold()
    checkpoints.release()


def log_line(run: FinetuneRun, losses: StepLosses, lr: float) -> dict[str, float]:
    """Return step, learning rate, loss, and per codebook its error and the share of codes the batch chose."""
    line: dict[str, float] = {"step": run.step, "lr": lr, "loss_nats": losses.prediction.item()}
    for site, found in losses.snapped.items():
        used = found.ids.unique().numel()
        line |= {f"error.{site}": found.error.item(), f"in_batch.{site}": used / len(run.codes[site])}
    return line
