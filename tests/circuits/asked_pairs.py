"""Prompt pairs of random tokens for tiny random models."""

import torch
from oracles.tiny_models import D_VOCAB

from mechlab.corpora.tasks.pairs import END, PromptPairs


def random_pairs(n: int = 6, n_pos: int = 9, seed: int = 0) -> PromptPairs:
    """Return pairs that differ in one token, whose roles stand elsewhere in every row, with two candidates."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randint(3, D_VOCAB, (n, n_pos), generator=generator)
    corrupted = clean.clone()
    corrupted[:, 4] = (clean[:, 4] - 3 + 7) % (D_VOCAB - 3) + 3
    places = torch.stack([torch.randperm(n_pos - 2, generator=generator)[:2] + 1 for _ in range(n)])
    candidates = torch.stack([torch.randperm(D_VOCAB, generator=generator)[:2] for _ in range(n)])
    right = torch.tensor([[True, False]]).expand(n, 2)
    positions = {"IO": places[:, 0], "S1": places[:, 1], END: torch.full((n,), n_pos - 1)}
    facts = tuple({"row": row} for row in range(n))
    return PromptPairs("random", clean, corrupted, candidates, right, ~right, positions, facts)
