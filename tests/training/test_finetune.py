"""Fine-tuning with codebooks takes the steps of a plain dense loop, keeps codes in use, and resumes to the bit."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from oracles.dense_codebook import dense_snap
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechlab.core.errors import ArtifactError, TrainingDiverged
from mechlab.dictionaries.codebook import Codebook, CodebookConfig, Snapped
from mechlab.training.course import Watcher
from mechlab.training.finetune import FinetuneRun, finetune, losses_of
from mechlab.training.finetune_config import FinetuneConfig
from mechlab.training.schedule import learning_rate
from mechlab.training.state import TrainingState

D_VOCAB, WIDTH = 13, 12
QUICK = FinetuneConfig(n_steps=8, lr=1e-2, revive_every_steps=3, revive_until=1.0, log_every_steps=2)


class Small(torch.nn.Module):
    """A stream that is snapped before it is read; no language model, but what the loop asks of one."""

    def __init__(self, snap: Callable[[Tensor], Tensor] | None = None, n_codes: int = 40, k: int = 2) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embed = torch.nn.Embedding(D_VOCAB, WIDTH)
            self.first, self.last = torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(WIDTH, D_VOCAB)
        self.codebooks = {"here": Codebook(CodebookConfig(d_in=WIDTH, n_codes=n_codes, k=k, n_groups=2), seed=5)}
        self.looks: list[Callable[[str, Snapped], None]] = []
        self.dense_snap = snap

    def weights_to_train(self) -> dict[str, torch.nn.Parameter]:
        return dict(self.named_parameters())

    def logits(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = x + self.first(x).tanh()
        if self.dense_snap is not None:
            return self.last(self.dense_snap(x))
        snapped = self.codebooks["here"].snap(x)
        for look in self.looks:
            look("here", snapped)
        return self.last(snapped.output)

    @contextmanager
    def watching(self, look: Callable[[str, Snapped], None]) -> Iterator[None]:
        self.looks.append(look)
        yield
        self.looks.remove(look)


class Rows:
    """Rows in which each token decides the next one, drawn anew for each step."""

    def batch(self, step: int) -> Tensor:
        start = torch.randint(D_VOCAB, (16, 1), generator=torch.Generator().manual_seed(step))
        return (start * 2 ** torch.arange(6)) % D_VOCAB


class Once:
    """The same rows at every step."""

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens

    def batch(self, step: int) -> Tensor:
        return self.tokens


def trained(config: FinetuneConfig = QUICK, **watch: Any) -> Small:
    model = Small()
    finetune(model, Rows(), config, Watcher(**watch))
    return model


def everything(model: Small) -> dict[str, Tensor]:
    return {**model.state_dict(), "codes": model.codebooks["here"].codes.detach()}


def test_its_steps_are_those_of_a_dense_loop_under_autograd() -> None:
    config = QUICK.model_copy(update={"revive_every_steps": None, "error_weight": 0.3, "code_lr": 3e-2})
    found, errors = everything(trained(config)), []
    codebook = Small().codebooks["here"]

    def snap(x: Tensor) -> Tensor:
        output, _, error = dense_snap(x, codebook.codes, codebook.config)
        errors.append(error)
        return output

    model = Small(snap)
    weights = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)
    codes = torch.optim.SparseAdam([codebook.codes], lr=1.0, betas=(0.9, 0.98))
    for step in range(config.n_steps):
        tokens = Rows().batch(step)
        prediction = cross_entropy(model.logits(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        (prediction + 0.3 * errors[-1]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        codebook.codes.grad = codebook.codes.grad.to_sparse(1)
        weights.param_groups[0]["lr"] = learning_rate(step, config)
        codes.param_groups[0]["lr"] = 3 * learning_rate(step, config)
        for optimizer in (weights, codes):
            optimizer.step()
            optimizer.zero_grad()
    start = everything(Small())
    wanted = {**model.state_dict(), "codes": codebook.codes.detach()}
    for name, value in wanted.items():
        change = float((value - start[name]).norm())
        assert float((found[name] - value).norm()) < 1e-5 * change, name


def test_codes_learn_faster_by_the_root_of_their_spread() -> None:
    moved = []
    for spread in (1.0, 4.0):
        model, config = Small(), QUICK.model_copy(update={"n_steps": 1, "lr_warmup_fraction": 0.0, "train": "codes"})
        book = model.codebooks["here"]
        book.scale.fill_(spread)
        before = book.codes.detach().clone()
        finetune(model, Rows(), config)
        moved.append(float((book.codes.detach() - before).abs().max()))
    assert moved[0] > 0 and moved[1] == pytest.approx(2 * moved[0], rel=1e-4)  # Adam's first step is its rate


def test_it_learns_what_can_be_learned() -> None:
    config = QUICK.model_copy(update={"n_steps": 150, "revive_every_steps": 20})
    lines: list[dict[str, float]] = []
    trained(config, log=lines.append)
    assert lines[0]["loss_nats"] > 2 > 0.3 > lines[-1]["loss_nats"]
    assert lines[-1]["error.here"] < lines[0]["error.here"] / 4
    assert [line["step"] for line in lines[:2]] == [2, 4]


def test_with_codes_alone_the_model_stays_as_it_was() -> None:
    model, start = trained(QUICK.model_copy(update={"train": "codes"})), Small()
    for name, value in model.state_dict().items():
        assert torch.equal(value, start.state_dict()[name])
    assert not torch.equal(model.codebooks["here"].codes, start.codebooks["here"].codes)


def test_codes_nobody_chooses_are_put_where_vectors_are() -> None:
    tokens = Rows().batch(999)
    used = {}
    for every in (None, 5):
        model = trained(QUICK.model_copy(update={"n_steps": 60, "revive_every_steps": every}))
        used[every] = losses_of(model, tokens).snapped["here"].ids.unique().numel()
    assert used[5] == D_VOCAB * 2 * 2 > used[None]  # each token its own codes, in both groups and slots


def test_a_code_that_is_put_elsewhere_forgets_what_moved_it() -> None:
    run = FinetuneRun(Small(), Rows(), QUICK)
    run.advance()
    moments = run.of_codes.state[run.codes["here"]]
    used = (moments["exp_avg"] != 0).any(1)
    run.chosen["here"].zero_()  # as if nobody had chosen them since
    run.step = 2
    run.source = Once(run.source.batch(0)[:1, :2])
    losses = run.advance()
    chosen = torch.zeros_like(used)
    chosen[losses.snapped["here"].ids.flatten()] = True
    assert bool((used & ~chosen).any())
    assert not moments["exp_avg"][~chosen].any() and not moments["exp_avg_sq"][~chosen].any()
    assert bool(moments["exp_avg"][chosen].any())


def test_codes_are_left_alone_in_the_last_part_of_a_run() -> None:
    run = FinetuneRun(Small(), Rows(), QUICK.model_copy(update={"revive_until": 0.5}))
    for _ in range(6):
        before = run.codes["here"].detach().clone()
        losses = run.advance()
    untouched = torch.ones(len(before), dtype=torch.bool)
    untouched[losses.snapped["here"].ids.flatten()] = False
    assert torch.equal(run.codes["here"][untouched], before[untouched])


@pytest.mark.parametrize("train", ["all", "codes"])
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_run_that_stopped_ends_in_the_same_bytes(stop: int, train: str) -> None:
    config = QUICK.model_copy(update={"checkpoint_every_steps": 1, "train": train})
    states: dict[int, TrainingState] = {}
    model = Small()
    model.codebooks["here"].scale.fill_(
        3.0
    )  # as codes that start at centres have it; a resumed run is told by its state
    finetune(model, Rows(), config, Watcher(save=states.__setitem__))
    again = Small()
    finetune(again, Rows(), config, resume=copy.deepcopy(states[stop]))
    for name, value in everything(model).items():
        assert torch.equal(value, everything(again)[name]), name


def test_a_state_of_other_codebooks_is_refused() -> None:
    states: dict[int, TrainingState] = {}
    config = QUICK.model_copy(update={"checkpoint_every_steps": 4})
    finetune(Small(), Rows(), config, Watcher(save=states.__setitem__))
    with pytest.raises(ArtifactError, match="checkpoint is of another model: 'codes'"):
        finetune(Small(n_codes=41), Rows(), config, resume=states[4])


def test_a_loss_that_is_none_stops_the_run() -> None:
    model = Small()
    with torch.no_grad():
        model.last.bias.fill_(math.nan)
    with pytest.raises(TrainingDiverged, match="step 0: loss nan; no checkpoint was written"):
        finetune(model, Rows(), QUICK)
