"""Nested prefixes: their errors and gradients are the dense ones, and the first one learns what is general."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.dictionaries.dictionary import Dictionary, StepContext
from mechlab.dictionaries.matryoshka import MatryoshkaConfig, MatryoshkaDictionary, split
from mechlab.dictionaries.sparse import Kept
from mechlab.training.config import TrainConfig
from mechlab.training.loop import fit
from mechlab.training.source import TensorSource

D_IN, D_SAE, K, WIDTHS = 6, 30, 4, (3, 11, 30)
ALIVE = StepContext(0, torch.zeros(D_SAE, dtype=torch.bool))
DEAD = StepContext(0, torch.arange(D_SAE) % 4 == 1)


def worn(**options: object) -> MatryoshkaDictionary:
    sizes = {"d_in": D_IN, "d_sae": D_SAE, "k": K, "widths": WIDTHS}
    dictionary = MatryoshkaDictionary(build(MatryoshkaConfig, {**sizes, **options})).double()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        dictionary.W_dec.mul_(torch.rand(D_SAE, 1, generator=draw) * 5 + 1)
        dictionary.b_dec.add_(0.1)
    return dictionary


@pytest.fixture
def x() -> Tensor:
    return torch.randn(50, D_IN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def dense_loss(dictionary: MatryoshkaDictionary, x: Tensor, dead: Tensor) -> Tensor:
    """Return the loss by its definition: all codes, every prefix decoded anew, dead features ranked by brute force."""
    config = dictionary.config
    norms = dictionary.W_dec.norm(dim=-1) if config.rescale_acts_by_decoder_norm else torch.ones(D_SAE)
    scaled = ((x - dictionary.b_dec) @ dictionary.W_enc + dictionary.b_enc) * norms
    kept = scaled * (scaled >= scaled.flatten().topk(K * len(x)).values[-1])
    directions = dictionary.W_dec / norms[:, None]
    total = torch.zeros(())
    for start, width in itertools.pairwise((0, *WIDTHS)):
        error = kept[:, :width].relu() @ directions[:width] + dictionary.b_dec - x
        total = total + error.square().sum(-1).mean()
        alone = dead & (torch.arange(D_SAE) >= start) & (torch.arange(D_SAE) < width)
        revived = alone if config.aux_loss_per_level else dead
        if revived.any() and (config.aux_loss_per_level or width == D_SAE):
            wanted = min(D_IN // 2, int(revived.sum()))
            best = scaled.masked_fill(~revived, -torch.inf).topk(wanted).indices
            codes = scaled * torch.zeros_like(scaled).scatter(1, best, 1.0)
            share = min(1.0, int(revived.sum()) / (D_IN // 2))
            left_over = (codes @ directions + error.detach()).square().sum(-1).mean()
            total = total + config.aux_loss_coefficient * share * left_over
    return total


@pytest.mark.parametrize("context", [ALIVE, DEAD], ids=["alive", "dead"])
@pytest.mark.parametrize("per_level", [True, False])
@pytest.mark.parametrize("rescale", [True, False])
def test_loss_and_gradient_are_those_of_dense_autograd(
    rescale: bool, per_level: bool, context: StepContext, x: Tensor
) -> None:
    options = {"rescale_acts_by_decoder_norm": rescale, "aux_loss_per_level": per_level, "aux_loss_coefficient": 0.3}
    dictionary = worn(**options)
    losses = dictionary.loss(x, x, context)
    losses.total.backward()
    ours = {name: parameter.grad for name, parameter in dictionary.named_parameters()}
    dictionary.zero_grad()
    expected = dense_loss(dictionary, x, context.dead)
    torch.testing.assert_close(losses.total, expected)
    expected.backward()
    for name, parameter in dictionary.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, msg=name)


def test_each_prefix_reconstructs_from_its_own_features_alone(x: Tensor) -> None:
    dictionary = worn()
    pre = dictionary.pre_activations(x)
    with torch.no_grad():
        kept = dictionary.choose(dictionary.tiles(x - dictionary.b_dec)).kept
    values = kept.gather(pre).relu()
    codes = torch.zeros_like(pre)
    codes[kept.rows, kept.columns] = values
    for width, prefix in zip(WIDTHS, dictionary.prefixes(values, kept), strict=True):
        torch.testing.assert_close(prefix, codes[:, :width] @ dictionary.W_dec[:width] + dictionary.b_dec)


def test_the_parts_of_the_loss_name_the_widths(x: Tensor) -> None:
    assert list(worn().loss(x, x, ALIVE).parts) == ["mse", "mse_3", "mse_11", "aux"]


def test_splitting_by_level_keeps_every_code_in_its_place() -> None:
    mask = torch.rand(9, 10, generator=torch.Generator().manual_seed(0)) < 0.4
    mask[4] = False
    kept = Kept.flat(mask.flatten().nonzero().squeeze(1), 9, 10)
    levels = (range(0, 1), range(1, 6), range(6, 10))
    fine = split(kept, levels)
    assert torch.equal(fine.columns, kept.columns)
    counts = fine.offsets.diff().reshape(9, 3)
    for number, level in enumerate(levels):
        assert torch.equal(counts[:, number], mask[:, level.start : level.stop].sum(1))


def test_one_level_is_batchtopk(x: Tensor) -> None:
    one = worn(widths=(D_SAE,))
    plain = BatchTopKDictionary(BatchTopKConfig(d_in=D_IN, d_sae=D_SAE, k=K)).double()
    plain.load_state_dict(one.state_dict())
    for dictionary in (one, plain):
        dictionary.loss(x, x, DEAD).total.backward()
    for ours, other in zip(one.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, other.grad)


def test_a_feature_that_leaves_its_level_changes_the_loss(x: Tensor) -> None:
    dictionary, moved = worn(), worn()
    order = torch.arange(D_SAE).flip(0)
    moved.load_state_dict(
        {
            name: value[order] if value.shape[:1] == (D_SAE,) else value
            for name, value in dictionary.state_dict().items()
        }
    )
    before, after = (made.loss(x, x, ALIVE) for made in (dictionary, moved))
    torch.testing.assert_close(before.reconstruction, after.reconstruction)
    assert (before.total - after.total).abs() > 0.01


@pytest.mark.parametrize(
    ("d_sae", "stops"), [(1600, [100, 200, 400, 800, 1600]), (40, [2, 5, 10, 20, 40]), (3, [1, 3]), (1, [1])]
)
def test_without_widths_prefixes_double(d_sae: int, stops: list[int]) -> None:
    levels = MatryoshkaConfig(d_in=4, d_sae=d_sae, k=1).levels
    assert [level.stop for level in levels] == stops
    assert [level.start for level in levels] == [0, *stops[:-1]]


@pytest.mark.parametrize("widths", [(11, 3, 30), (3, 3, 30), (3, 11), (3, 11, 31), (0, 30), (-3, 30), (), "wide"])
def test_widths_that_do_not_nest_are_refused_in_one_line(widths: object) -> None:
    with pytest.raises(ConfigError, match=r"MatryoshkaConfig\.widths.* is not valid") as caught:
        build(MatryoshkaConfig, {"d_in": D_IN, "d_sae": D_SAE, "k": K, "widths": widths})
    assert "\n" not in str(caught.value)


def test_more_codes_than_features_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"MatryoshkaConfig\.k is not valid: 31.*at most d_sae = 30"):
        build(MatryoshkaConfig, {"d_in": D_IN, "d_sae": D_SAE, "k": 31})


def test_saelens_names_of_the_options_are_read() -> None:
    cfg = {"k": 5, "matryoshka_widths": [4, 40], "use_matryoshka_aux_loss": True, "colour": "red"}
    expected = {"k": 5, "widths": [4, 40], "aux_loss_per_level": True}
    assert MatryoshkaDictionary.options_of_saelens(cfg) == expected


def planted_tree() -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, six general directions, and of each four special ones that occur only together with it."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(32, 30, generator=draw)).Q.T
    general, special = directions[:6], directions[6:].reshape(6, 4, 32)
    on = torch.rand(20_000, 6, generator=draw) < 0.25
    which = torch.randint(4, (20_000, 6), generator=draw)
    made_of = general + 0.8 * special[torch.arange(6), which]
    strength = 1 + 0.2 * torch.rand(20_000, 6, 1, generator=draw)
    return (on[..., None] * strength * made_of).sum(1) * 5.0, general, special.reshape(-1, 32)


def best_cosine(directions: Tensor, features: Tensor) -> Tensor:
    return (directions @ normalize(features.detach(), dim=-1).T).max(-1).values


def trained_on(rows: Tensor, kind: str, **options: object) -> Dictionary:
    config = {"d_in": 32, "d_sae": 36, "k": 3, **options}
    dictionary = KINDS[kind](build(KINDS[kind].Config, config))
    train = TrainConfig(n_tokens=200_000, batch_size=250, lr=5e-3, dead_after_tokens=20_000)
    fit(dictionary, TensorSource(rows, 250), train)
    return dictionary


def test_general_features_land_in_the_first_prefix_and_special_ones_after_it() -> None:
    rows, general, special = planted_tree()
    nested = trained_on(rows, "matryoshka", widths=(6, 36)).W_dec
    assert best_cosine(general, nested[:6]).min() > 0.9
    assert best_cosine(special, nested[:6]).max() < 0.3
    assert best_cosine(special, nested[6:]).mean() > 0.8
    flat = trained_on(rows, "batchtopk").W_dec
    absorbed = 1 / (1 + 0.8**2) ** 0.5  # the cosine of a general direction with its sum with a special one
    assert best_cosine(general, flat).median() < absorbed + 0.02  # so most are without nesting
    assert best_cosine(special, flat).mean() < best_cosine(special, nested[6:]).mean() - 0.1
