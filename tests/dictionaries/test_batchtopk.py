"""A batch keeps its largest codes, and the threshold learns to imitate it."""

import pytest
import torch

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.dictionaries.dictionary import StepContext


def test_a_training_batch_keeps_k_codes_per_vector_on_average_and_unequally() -> None:
    dictionary = BatchTopKDictionary(BatchTopKConfig(d_in=8, d_sae=60, k=2.5, decoder_init_norm=1.0))
    x = torch.randn(40, 8) * torch.linspace(0.1, 3.0, 40)[:, None]
    losses = dictionary.loss(x, x, StepContext(0, torch.zeros(60, dtype=torch.bool)))
    assert losses.l0.item() == pytest.approx(2.5)
    with torch.no_grad():
        counts = dictionary.choose(dictionary.tiles(x)).kept.offsets.diff()
    assert counts.sum() == 100
    assert counts[-10:].sum() > counts[:10].sum()


def test_the_threshold_is_the_moving_average_of_the_smallest_kept_code() -> None:
    dictionary = BatchTopKDictionary(BatchTopKConfig(d_in=8, d_sae=60, k=4, topk_threshold_lr=0.5))
    alive = StepContext(0, torch.zeros(60, dtype=torch.bool))
    expected = 0.0
    for seed in range(3):
        x = torch.randn(40, 8, generator=torch.Generator().manual_seed(seed))
        contributions = dictionary.contributions(dictionary.pre_activations(x))
        expected = 0.5 * expected + 0.5 * contributions.flatten().topk(160).values[-1].item()
        dictionary.after_step(dictionary.loss(x, x, alive))
    assert dictionary.topk_threshold.dtype == torch.float64
    assert dictionary.topk_threshold.item() == pytest.approx(expected, rel=1e-6)


def test_with_the_threshold_a_new_batch_keeps_about_k() -> None:
    dictionary = BatchTopKDictionary(BatchTopKConfig(d_in=8, d_sae=60, k=4, topk_threshold_lr=0.1))
    alive = StepContext(0, torch.zeros(60, dtype=torch.bool))
    draw = torch.Generator().manual_seed(0)
    for _ in range(100):
        x = torch.randn(200, 8, generator=draw)
        dictionary.after_step(dictionary.loss(x, x, alive))
    l0 = (dictionary.encode(torch.randn(500, 8, generator=draw)) > 0).sum(-1).float().mean().item()
    assert l0 == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("k", [0, -1.0, 60.5])
def test_k_outside_the_dictionary_is_refused(k: float) -> None:
    with pytest.raises(ConfigError, match=r"BatchTopKConfig\.k is not valid"):
        build(BatchTopKConfig, {"d_in": 8, "d_sae": 60, "k": k})
