"""A row and its bias sum to the target; every number is what autograd says, and what an intervention changes."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import CROSS_LAYER, PER_LAYER, random_set
from oracles.frozen_gradients import FrozenByHand
from oracles.tiny_models import FAMILIES, tiny, token_rows

from mechlab.circuits.attribution.frozen_pass import FrozenPass, frozen_pass
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.sources import Sources, sources_of
from mechlab.circuits.attribution.targets import Targets, feature_targets, logit_targets
from mechlab.models.huggingface import HuggingFaceModel

KINDS = (*PER_LAYER, *CROSS_LAYER)
LOGITS = (3, 7)


def parts(family: str, kind: str, dtype: torch.dtype = torch.float64, seed: int = 0, bos: bool = False):
    model = HuggingFaceModel(tiny(family, seed).to(dtype))
    frozen = frozen_pass(model, random_set(kind, model.spec, dtype, seed), token_rows(1, 10, seed))
    frozen = replace(frozen, has_bos=bos)
    return model, frozen, sources_of(frozen)


def all_targets(frozen: FrozenPass, sources: Sources) -> list[Targets]:
    features = [feature_targets(frozen, sources, layer) for layer in range(frozen.spec.n_layers)]
    return [*(one for one in features if len(one)), logit_targets(frozen, LOGITS, (-1, 4))]


def worst(frozen: FrozenPass, sources: Sources) -> float:
    """Return the largest part of a target's value that its row and bias miss."""
    found = [(attributed(frozen, sources, one).missing(one), one.values) for one in all_targets(frozen, sources)]
    return max(float((missing.abs() / (1 + values.abs())).max()) for missing, values in found)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["gpt2", "llama", "neox_parallel"])
def test_rows_and_biases_sum_to_the_targets_in_float64(family, kind, bos):
    _, frozen, sources = parts(family, kind, bos=bos)
    assert worst(frozen, sources) < 1e-10


@pytest.mark.parametrize("family", list(FAMILIES))
def test_rows_and_biases_sum_to_the_targets_in_float32(family):
    _, frozen, sources = parts(family, "relu with a skip", torch.float32)
    assert worst(frozen, sources) < 1e-4


def by_hand(model: HuggingFaceModel, frozen: FrozenPass) -> FrozenByHand:
    return FrozenByHand(model.module, list(frozen.transcoders.layers), frozen.tokens[None], frozen.has_bos)


def as_columns(found: dict[str, torch.Tensor], sources: Sources) -> torch.Tensor:
    """Return effects of leaves in the order of the columns."""
    n_layers = len(sources.errors)
    features = [found[f"codes.{layer}"] for layer in range(n_layers)]
    own = [
        features[layer][pos, one]
        for layer, pos, one in zip(sources.layer, sources.position, sources.feature, strict=True)
    ]
    columns = [torch.stack(own), *(found[f"errors.{layer}"] for layer in range(n_layers)), found["tokens"]]
    columns += [found["positions"]] if "positions" in found else []
    columns += [torch.stack([found[f"bos.{layer}"] for layer in range(n_layers)])] if "bos.0" in found else []
    return torch.cat(columns)


def wanted_rows(oracle: FrozenByHand, frozen: FrozenPass, sources: Sources) -> list[torch.Tensor]:
    """Return what autograd finds for all targets, a tensor of rows for each group of `all_targets`."""
    values = []
    for layer in range(frozen.spec.n_layers):
        own = (sources.layer == layer).nonzero().squeeze(1)
        rows, _ = frozen.transcoders.readers(layer, sources.feature[own])
        reads = oracle.reads[layer][sources.position[own]]
        values.append((reads * rows).sum(-1))
    W_U = oracle.module.lm_head.weight.double()
    centred = W_U[list(LOGITS)] - W_U.mean(0)
    values.append((oracle.final[[-1, 4]] @ centred.T).T.flatten())
    return [
        torch.stack([as_columns(oracle.effects(value), sources) for value in group]) for group in values if len(group)
    ]


def reversed_values(frozen: FrozenPass) -> FrozenPass:
    layers = tuple(replace(one, W_V=one.W_V.flip(0)) for one in frozen.weights.layers)
    return replace(frozen, weights=replace(frozen.weights, layers=layers))


def not_centred(frozen: FrozenPass) -> FrozenPass:
    return replace(frozen, spec=frozen.spec.model_copy(update={"normalization": "RMS"}))


def shifted_patterns(frozen: FrozenPass) -> FrozenPass:
    return replace(frozen, layers=tuple(replace(one, pattern=one.pattern.roll(1, -1)) for one in frozen.layers))


def other_divisors(frozen: FrozenPass) -> FrozenPass:
    return replace(frozen, layers=tuple(replace(one, ln1=one.ln1 * 1.1) for one in frozen.layers))


@pytest.mark.parametrize(
    ("family", "broken"),
    [
        ("gpt2", reversed_values),
        ("llama", reversed_values),
        ("gpt2", not_centred),
        ("gpt2", shifted_patterns),
        ("llama", shifted_patterns),
        ("llama", other_divisors),
    ],
)
def test_a_wrong_linear_model_does_not_add_up(family, broken):
    _, frozen, sources = parts(family, "relu")
    assert worst(frozen, sources) < 1e-10 < 1e-2 < worst(broken(frozen), sources)


def test_bias_is_not_nothing():
    _, frozen, sources = parts("gpt2", "relu")
    for targets in all_targets(frozen, sources):
        rows = attributed(frozen, sources, targets)
        assert rows.bias.abs().mean() > 0.1 * targets.values.abs().mean()


def test_a_skip_counted_as_error_adds_up_and_yet_autograd_sees_it():
    model, frozen, sources = parts("gpt2", "relu with a skip", seed=1)
    oracle = by_hand(model, frozen)
    skipped = torch.stack([one.read @ frozen.transcoders.skip(layer).T for layer, one in enumerate(frozen.layers)])
    without = replace(
        frozen, transcoders=replace(frozen.transcoders, layers=tuple(map(no_skip, frozen.transcoders.layers)))
    )
    moved = replace(sources, errors=sources.errors + skipped)
    assert worst(without, moved) < 1e-10
    targets, wanted = all_targets(frozen, sources)[-1], wanted_rows(oracle, frozen, sources)[-1]
    assert (attributed(without, moved, targets).effects - wanted).abs().max() > 0.01


def no_skip(dictionary):
    plain = type(dictionary)(dictionary.config.model_copy(update={"skip": False})).double()
    plain.load_state_dict({name: value for name, value in dictionary.state_dict().items() if name != "W_skip"})
    return plain


@pytest.mark.parametrize("kind", ["relu with a skip", "crosslayer_transcoder"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_doubling_a_source_in_the_frozen_model_moves_every_target_by_its_column(family, kind):
    model, frozen, sources = parts(family, kind)
    groups = all_targets(frozen, sources)
    effects = [attributed(frozen, sources, one).effects for one in groups]
    n_pos, tried = (
        frozen.n_pos,
        [len(sources.code) // 3, sources.starts["errors"] + frozen.n_pos + 2, sources.starts["tokens"] + 1],
    )
    for column in tried:
        added = {}
        if column < len(sources.code):
            for layer, written in enumerate(sources.written):
                own = written.columns == column
                if own.any():
                    added[layer] = (int(sources.position[column]), written.vectors[own][0])
        elif column < sources.starts["tokens"]:
            layer, position = divmod(column - sources.starts["errors"], n_pos)
            added[layer] = (position, sources.errors[layer, position])
        else:
            added["embed"] = (column - sources.starts["tokens"], sources.tokens[column - sources.starts["tokens"]])
        moved = read_frozen(model, frozen, groups, added) - read_frozen(model, frozen, groups, {})
        wanted = torch.cat([one[:, column] for one in effects])
        assert torch.allclose(moved, wanted, atol=1e-5) and wanted.abs().max() > 1e-3


def read_frozen(model: HuggingFaceModel, frozen: FrozenPass, groups: list[Targets], added: dict) -> torch.Tensor:
    """Return all targets in a pass of the real model that is held still by edits, with something added."""

    def constant(value):
        return lambda activation: value[None]

    def plus(layer, activation):
        position, vector = added[layer]
        activation = activation.clone()
        activation[0, position] += vector
        return activation

    edits, last = {}, model.spec.n_layers - 1
    for layer, held in enumerate(frozen.layers):
        edits |= {f"pattern.{layer}": constant(held.pattern), f"ln1_scale.{layer}": constant(held.ln1)}
        edits |= {f"ln2_scale.{layer}": constant(held.read_divisor)}
        if held.ln1_post is not None:
            edits[f"ln1_post_scale.{layer}"] = constant(held.ln1_post)

        def mlp(activation, layer=layer, held=held):
            skip = frozen.transcoders.skip(layer)
            seen = read[f"ln2_normalized.{layer}"] if skip is not None else None
            out = held.written[None] + (0 if skip is None else (seen - held.read[None]) @ skip.T)
            return plus(layer, out) if layer in added else out

        edits[f"mlp_out.{layer}"] = mlp
    edits["ln_final_scale"] = constant(frozen.ln_final)
    if "embed" in added:
        edits["embed"] = lambda activation: plus("embed", activation)
    sites = [f"{kind}.{layer}" for layer in range(last + 1) for kind in ("ln2_normalized",)]
    with model.edit(edits), model.read(*sites, "ln_final_normalized") as read:
        model.logits(frozen.tokens[None])
        found = dict(read)
    values = []
    for targets in groups:
        final = targets.layer > last
        seen = found["ln_final_normalized"] if final else found[f"ln2_normalized.{targets.layer}"]
        divisor = frozen.ln_final if final else frozen.layers[targets.layer].read_divisor
        values.append((seen[0, targets.positions] * divisor[targets.positions] * targets.vectors).sum(-1))
    return torch.cat(values)


def test_positions_behind_the_last_target_are_left_out_without_a_trace():
    _, frozen, sources = parts("gpt2", "relu with a skip")
    targets = logit_targets(frozen, LOGITS, (4,))
    longer = Targets(
        targets.layer,
        torch.cat([targets.vectors, targets.vectors[:1] * 0]),
        torch.cat([targets.positions, torch.tensor([9])]),
        torch.cat([targets.bias, targets.bias[:1] * 0]),
        torch.cat([targets.values, targets.values[:1] * 0]),
    )
    short, long = attributed(frozen, sources, targets), attributed(frozen, sources, longer)
    assert torch.allclose(short.effects, long.effects[:2], atol=1e-12) and torch.allclose(short.bias, long.bias[:2])
    behind = sources.position > 4
    assert behind.any() and not short.effects[:, : len(behind)][:, behind].any()


def test_some_targets_have_the_rows_they_have_among_all():
    _, frozen, sources = parts("gpt2", "topk")
    targets = feature_targets(frozen, sources, 2)
    whole, some = attributed(frozen, sources, targets), torch.tensor([0, 5, 17])
    few = attributed(frozen, sources, targets.chosen(some))
    assert torch.allclose(few.effects, whole.effects[some], atol=1e-12)
    assert torch.allclose(few.bias, whole.bias[some], atol=1e-12)
