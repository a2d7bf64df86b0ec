"""One plain training loop for a small GPT-2 on packed rows: AdamW, one cycle, next-token loss."""

import time
from typing import ClassVar

import torch
from jaxtyping import Int32
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from mechlab.core.config import Config
from mechlab.core.progress import SILENT, Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.documents import Corpus
from mechlab.corpora.rows import pack
from mechlab.models.tokenizer import HuggingFaceTokenizer


class Recipe(Config):
    """What determines the trained weights, up to the arithmetic of the device."""

    seed: int = 0
    n_layers: int = 4
    d_model: int = 128
    n_heads: int = 4
    n_ctx: int = 256
    row_length: int = 96
    steps: int = 20_000
    batch_rows: int = 32
    peak_lr: float = 2e-3
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)


class Unlabelled:
    """A corpus without its labels: a language model has no use for them, and packing them takes most of the time."""

    label_names: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __init__(self, corpus: Corpus) -> None:
        self.name, self.fingerprint, self.documents = corpus.name, corpus.fingerprint, corpus.documents


def token_rows(corpus: Corpus, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Int32[Tensor, "n_rows pos"]:
    """Return the recipe's rows of tokens; every document and every row opens with the start token."""
    n_tokens = recipe.steps * recipe.batch_rows * recipe.row_length
    encoder = HuggingFaceTokenizer(tokenizer)
    return pack(Unlabelled(corpus), encoder, row_length=recipe.row_length, n_tokens=n_tokens).tokens


def new_model(recipe: Recipe, d_vocab: int, bos_id: int) -> GPT2LMHeadModel:
    """Return an untrained model; its initial weights depend on the seed alone."""
    config = GPT2Config(
        vocab_size=d_vocab,
        n_positions=recipe.n_ctx,
        n_embd=recipe.d_model,
        n_layer=recipe.n_layers,
        n_head=recipe.n_heads,
        attn_implementation="eager",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=bos_id,
        eos_token_id=bos_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_generator(recipe.seed, "tales weights").initial_seed())
        return GPT2LMHeadModel(config)


def train(model: GPT2LMHeadModel, rows: torch.Tensor, recipe: Recipe, progress: Progress = SILENT) -> float:
    """Train the model in place on rows [n_rows, pos] and return the seconds it took."""
    device = next(model.parameters()).device
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.peak_lr, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.peak_lr, total_steps=recipe.steps, pct_start=recipe.warmup_fraction, cycle_momentum=False
    )
    started = time.monotonic()
    order = torch.randperm(len(rows), generator=torch_generator(recipe.seed, "tales batches"))
    with progress.task("training the language model", recipe.steps, "steps") as task:
        for step in range(recipe.steps):
            chosen = order[step * recipe.batch_rows : (step + 1) * recipe.batch_rows]
            tokens = rows[chosen].to(device).long()
            with torch.autocast(device.type, torch.bfloat16):
                logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
            loss = cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            task.advance(1, **({"loss_nats": loss.item()} if step % 50 == 0 else {}))
    return time.monotonic() - started
