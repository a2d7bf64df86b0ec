"""A table of 150 features and what its pages say: with markup for a token, and dead features."""

import torch

from mechlab.metrics.feature_table import FeatureFacts, FeatureTable
from mechlab.views.feature_data import FeatureAbout
from mechlab.views.report_data import Command, Fact

N, N_TOP, N_BANDS, WIDTH = 150, 3, 2, 6
TEXTS = (" the", " <script>alert(1)</script>", "\n", " ", " snow", " &amp;", ' "', " é")


def sample_features(*, plain: bool = False) -> FeatureTable:
    """Return the table; every third feature is dead. `plain` has no causes, logits or removals."""
    draw = torch.Generator().manual_seed(0)
    alive = torch.arange(N) % 3 != 2
    facts = FeatureFacts(
        site="mlp_out.1", n_rows=50, n_tokens=1000, row_length=20, n_before=3, n_after=2, n_bands=N_BANDS,
        causes=() if plain else ("mood=glad", "mood=sad"), tokens=tuple(range(len(TEXTS))), texts=TEXTS,
    )  # fmt: skip

    def whole(low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, (N, *shape), generator=draw)

    def part(*shape: int) -> torch.Tensor:
        return torch.rand(N, *shape, generator=draw)

    values = {name: (part(n, WIDTH) * 4).float() for name, n in (("top", N_TOP), ("band", 2 * N_BANDS))}
    for one in values.values():
        one[..., 0] = 0
    places = {
        name: torch.where(alive[:, None], whole(60, 900, n) // 20 * 20 + 10, -1)
        for name, n in (("top", 3), ("band", 4))
    }
    columns = {
        "fires": torch.where(alive, whole(1, 300), 0),
        "frequency_error": part().double() / 100,
        "total": torch.where(alive, part().double() * 100, 0.0),
        "largest": torch.where(alive, part() * 4 + 4, 0.0),
        "histogram": (whole(0, 40, 16) * alive[:, None]).int(),
        "histogram_top": torch.where(alive, 8.0, 0.0),
        "edges": torch.tensor([0.0, 2.0, 4.0], dtype=torch.float64) * alive[:, None],
        "top_place": places["top"],
        "top_tokens": whole(0, len(TEXTS), N_TOP, WIDTH).int(),
        "top_values": values["top"],
        "band_place": places["band"],
        "band_tokens": whole(0, len(TEXTS), 2 * N_BANDS, WIDTH).int(),
        "band_values": values["band"],
    }
    columns["top_tokens"][0, 0] = torch.arange(WIDTH).int()
    if plain:
        return FeatureTable(facts, columns)
    columns |= {
        "cause": torch.where(alive, torch.arange(N) % 2, -1),
        "cause_threshold": part().double(),
        "cause_f1": torch.where(alive, part().double(), 0.0),
        "cause_by_chance": part().double() / 10,
        "logits_top": whole(0, len(TEXTS), 4).int(),
        "logits_top_values": part(4).sort(descending=True).values,
        "logits_bottom": whole(0, len(TEXTS), 4).int(),
        "logits_bottom_values": -part(4).sort(descending=True).values,
        "logits_by_chance": part().double(),
    }
    for name in ("loss", "control_loss", "divergence", "control_divergence"):
        columns[f"removal_{name}"] = torch.where(alive[:, None], part(2).double() - 0.3, torch.nan)
    columns["removal_loss"][0, 1] = torch.nan
    return FeatureTable(facts, columns)


def sample_about() -> FeatureAbout:
    """Return what the pages say of the run."""
    return FeatureAbout(
        title="Features at mlp_out.1 of small",
        run_id="0123456789abcdef",
        summary="100 of 150 features fired.",
        n_features=N,
        n_tokens=1000,
        headline=(Fact(label="never fire", value="33 %", meaning="50 of 150"),),
        facts=(Fact(label="seed", value="0"),),
        notes=("A note with <b>markup</b>.",),
        commands=(Command(purpose="its numbers", text="mechlab show RUN"),),
        citation="mechlab run 0123",
    )
