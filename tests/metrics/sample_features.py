"""A table of two features made by hand: one that fires, one that never does."""

import torch

from mechlab.metrics.feature_table import FeatureFacts, FeatureTable


def sample_table() -> FeatureTable:
    """Return a table of contexts of 2 + 1 + 1 tokens in rows of 6, with two bands of one example each."""
    facts = FeatureFacts(
        site="mlp_out.1", n_rows=3, n_tokens=18, row_length=6, n_before=2, n_after=1, n_bands=2,
        causes=("mood=glad", "mood=sad"), tokens=(3, 5, 7, 8), texts=(" a", " b", " c", " d"),
    )  # fmt: skip
    columns = {
        "fires": torch.tensor([3, 0]),
        "frequency_error": torch.tensor([0.05, 0.0], dtype=torch.float64),
        "total": torch.tensor([6.0, 0.0], dtype=torch.float64),
        "largest": torch.tensor([4.0, 0.0]),
        "histogram": torch.tensor([[0, 2, 0, 1], [0, 0, 0, 0]], dtype=torch.int32),
        "histogram_top": torch.tensor([8.0, 0.0]),
        "edges": torch.tensor([[0.0, 1.5, 4.0], [0.0, 0.0, 0.0]], dtype=torch.float64),
        "top_place": torch.tensor([[17, 0], [-1, -1]]),
        "top_tokens": torch.tensor([[[3, 5, 7, 8], [-1, -1, 7, 8]], [[0, 0, 0, 0], [0, 0, 0, 0]]], dtype=torch.int32),
        "top_values": torch.tensor([[[0.0, 1.0, 4.0, 0.5], [0.0, 0.0, 1.0, 0.0]], [[0.0] * 4] * 2]),
        "band_place": torch.tensor([[0, -1], [-1, -1]]),
        "band_tokens": torch.tensor([[[-1, -1, 7, 8], [0, 0, 0, 0]], [[0] * 4] * 2], dtype=torch.int32),
        "band_values": torch.tensor([[[0.0, 0.0, 1.0, 0.0], [0.0] * 4], [[0.0] * 4] * 2]),
        "cause": torch.tensor([1, -1]),
        "cause_threshold": torch.tensor([0.5, 0.0], dtype=torch.float64),
        "cause_f1": torch.tensor([0.75, 0.0], dtype=torch.float64),
        "cause_by_chance": torch.tensor([0.25, 0.0], dtype=torch.float64),
        "logits_top": torch.tensor([[5, 7], [3, 8]], dtype=torch.int32),
        "logits_top_values": torch.tensor([[2.0, 1.0], [0.25, 0.125]]),
        "logits_bottom": torch.tensor([[8, 3], [7, 5]], dtype=torch.int32),
        "logits_bottom_values": torch.tensor([[-1.5, -1.0], [-0.25, -0.125]]),
        "logits_by_chance": torch.tensor([1.25, 1.0], dtype=torch.float64),
        "removal_loss": torch.tensor([[0.5, torch.nan], [torch.nan] * 2], dtype=torch.float64),
        "removal_control_loss": torch.tensor([[0.125, torch.nan], [torch.nan] * 2], dtype=torch.float64),
        "removal_divergence": torch.tensor([[0.25, 0.5], [torch.nan] * 2], dtype=torch.float64),
        "removal_control_divergence": torch.tensor([[0.0625, 0.03125], [torch.nan] * 2], dtype=torch.float64),
    }
    return FeatureTable(facts, columns)
