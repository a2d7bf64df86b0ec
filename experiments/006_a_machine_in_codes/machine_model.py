"""A small GPT-2 that learns the machine from its rollouts."""

import math
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from mechlab.core.randomness import sub_seed, torch_generator
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import rollouts
from mechlab.models.huggingface import HuggingFaceModel

WARM_UP, LAST_SHARE = 100, 0.05


def new_model(machine: Machine, row_length: int, recipe: dict[str, Any], seed: int) -> GPT2LMHeadModel:
    """Return an untrained model."""
    config = GPT2Config(
        vocab_size=machine.d_vocab,
        n_positions=row_length,
        n_embd=recipe["d_model"],
        n_layer=recipe["n_layers"],
        n_head=recipe["n_heads"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=machine.bos_id,
        eos_token_id=machine.bos_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sub_seed(seed, "first weights"))
        return GPT2LMHeadModel(config)


def trained_base(machine: Machine, row_length: int, recipe: dict[str, Any], seed: int) -> HuggingFaceModel:
    """Return the model after its training, on rollouts that are never seen twice."""
    model, draw = new_model(machine, row_length, recipe, seed), torch_generator(seed, "rollouts")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe["lr"], betas=(0.9, 0.98), weight_decay=recipe["weight_decay"], fused=True
    )
    for step in range(recipe["steps"]):
        optimizer.param_groups[0]["lr"] = recipe["lr"] * share_of_peak(step, recipe["steps"])
        tokens = rollouts(machine, recipe["batch_rows"], row_length, draw)
        logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return HuggingFaceModel(model, name="machine")


def share_of_peak(step: int, n_steps: int) -> float:
    """Return the learning rate as a share of its peak: a line up, then half a cosine down."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / n_steps))
    return min(1.0, (step + 1) / WARM_UP) * (LAST_SHARE + (1 - LAST_SHARE) * cosine)
