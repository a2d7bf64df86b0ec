"""Steering costs a generation little, and hooks of TransformerLens, with its cache, cost it much more.

The floors leave room for machines that are used by others; experiments/016 has the figures.
"""

import statistics
import time
from collections.abc import Callable

import pytest
import torch
import transformers as hf
from experiment_pieces import pieces_of

import mechlab
from mechlab.models.huggingface import HuggingFaceModel

N_NEW, N_TURNS, N_TRIES = 30, 7, 3
OF_THE_PLAIN, OF_THEIRS = 0.75, 1.4


@pytest.fixture(scope="module")
def model() -> HuggingFaceModel:
    """Return a random model of the size and shape of stories260K."""
    config = hf.LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=172,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HuggingFaceModel(hf.LlamaForCausalLM(config).eval().requires_grad_(False))


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def best_ratio(others: Callable[[], object], own: Callable[[], object], floor: float) -> float:
    """Return how many times as long the others take: the median of turns, the best of a few tries."""
    others(), own()
    found: list[float] = []
    while not found or (found[-1] < floor and len(found) < N_TRIES):
        found.append(statistics.median(cpu_seconds(others) / cpu_seconds(own) for _ in range(N_TURNS)))
    return max(found)


@pytest.mark.parametrize("n_rows", [1, 32])
def test_steered_generation_is_nearly_as_quick_as_plain_and_much_quicker_than_hooks(model, n_rows: int) -> None:
    prompts = torch.randint(3, 500, (n_rows, 8), generator=torch.Generator().manual_seed(0))
    vector = torch.randn(64, generator=torch.Generator().manual_seed(1))

    def plain() -> object:
        return model.generate(prompts, N_NEW)

    def steered() -> object:
        with mechlab.steer(model, "resid_post.2", vector, 0.5):
            return model.generate(prompts, N_NEW)

    with pieces_of("016_what_steering_costs", "theirs") as pieces:
        lens = pieces.theirs.generation(pieces.theirs.hooked(model), 0.5 * vector, [2], N_NEW)
    assert best_ratio(plain, steered, OF_THE_PLAIN) >= OF_THE_PLAIN
    assert best_ratio(lambda: lens(prompts), steered, OF_THEIRS) >= OF_THEIRS
