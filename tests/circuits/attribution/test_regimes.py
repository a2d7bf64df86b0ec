"""A push moves targets as the frozen model's edges say, as its own re-encoding says, and as the model itself does."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import CROSS_LAYER, PER_LAYER
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.regimes import Push, Trial, effects_of, feature_push, holding
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.stream_targets import stream_targets
from mechlab.circuits.attribution.targets import Targets, feature_targets, logit_targets

CASES = [
    *(("gpt2", kind, number % 2 == 0) for number, kind in enumerate((*PER_LAYER, *CROSS_LAYER))),
    *(
        (family, "relu with a skip", bos)
        for family, bos in (("llama", True), ("gemma2", False), ("neox_parallel", False))
    ),
    ("llama", "crosslayer_transcoder", False),
]


def trial_of(family: str, kind: str, *, bos: bool = False) -> Trial:
    return Trial(*small_pass(family, kind, n_pos=7, bos=bos))


def groups(trial: Trial, kind: str) -> list[Targets]:
    """Return logits, all features of the last layer, and, of one kind, directions of the stream."""
    frozen, sources = trial.frozen, trial.sources
    directions = torch.eye(frozen.spec.d_model, dtype=torch.float64)[:2]
    kinds = ["resid_pre.2", "resid_post.2"] + ([] if frozen.spec.parallel else ["resid_mid.2"])
    streams = [stream_targets(frozen, place, directions, [5, 6]) for place in kinds]
    own = streams if kind == "relu with a skip" else []
    return [logit_targets(frozen, [3, 7], [-1, 4]), feature_targets(frozen, sources, 2), *own]


@pytest.mark.parametrize(("family", "kind", "bos"), CASES)
def test_direct_effects_are_the_edges(family, kind, bos):
    trial = trial_of(family, kind, bos=bos)
    columns = torch.arange(1, len(trial.sources.code), 25)
    pushed = feature_push(trial.sources, columns, torch.full((len(columns),), -1.0, dtype=torch.float64))
    for targets in groups(trial, kind):
        seen = effects_of(trial, pushed, targets, "direct", 16)
        edges = -attributed(trial.frozen, trial.sources, targets).effects[:, columns].T
        assert edges.abs().max() > 0.01
        assert (seen - edges).abs().max() < 1e-9 * edges.abs().max()


@pytest.mark.parametrize("kind", ["relu with a skip", "jumprelu", "crosslayer_transcoder"])
def test_a_push_too_small_to_switch_features_moves_codes_along_edges(kind):
    """In the replacement model: the edges to features, times theirs to the targets, and so on."""
    trial = trial_of("gpt2", kind)
    frozen, sources = trial.frozen, trial.sources
    columns, share = (sources.layer == 0).nonzero().squeeze(1)[::9], 1e-7
    pushed = feature_push(sources, columns, torch.full((len(columns),), share, dtype=torch.float64))
    n = len(sources.code)
    rows = torch.cat(
        [attributed(frozen, sources, feature_targets(frozen, sources, layer)).effects[:, :n] for layer in range(3)]
    )
    along = rows / sources.code[:, None]
    through = torch.linalg.inv(torch.eye(n, dtype=torch.float64) - along)  # one, edges, edges of edges, ...
    logits = logit_targets(frozen, [3, 7])
    wanted = share * attributed(frozen, sources, logits).effects[:, :n] @ through[:, columns]
    seen = effects_of(trial, pushed, logits, "replacement")
    assert torch.allclose(seen.T, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))
    direct = share * attributed(frozen, sources, logits).effects[:, columns]
    assert (wanted - direct).abs().max() > 0.1 * direct.abs().max()


def test_in_the_model_it_is_what_a_hook_on_the_mlp_does():
    trial = trial_of("gpt2", "relu")
    model, frozen, sources = trial.model, trial.frozen, trial.sources
    targets = logit_targets(frozen, [3, 7], [-1, 6])
    columns = (sources.layer == 1).nonzero().squeeze(1)[[2, 30]]
    seen = effects_of(trial, feature_push(sources, columns, -torch.ones(2).double()), targets, "model")
    for column, effects in zip(columns.tolist(), seen, strict=True):
        feature, position = int(sources.feature[column]), int(sources.position[column])
        row = frozen.transcoders.layers[1].W_dec[feature] * sources.code[column]

        def ablate(module, args, output, row=row, position=position):
            output[0, position] -= row

        clean = model.module(frozen.tokens[None]).logits[0]
        handle = model.module.transformer.h[1].mlp.register_forward_hook(ablate)
        moved = model.module(frozen.tokens[None]).logits[0] - clean
        handle.remove()
        moved = moved - moved.mean(-1, keepdim=True)
        wanted = torch.stack([moved[place, token] for token in (3, 7) for place in (-1, 6)])
        assert torch.allclose(effects, wanted, atol=1e-9) and effects.abs().max() > 1e-3


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_nothing_pushed_moves_nothing_and_the_held_passes_are_the_pass(family):
    trial = trial_of(family, "relu with a skip", bos=family == "gpt2")
    targets = logit_targets(trial.frozen, [3, 7])
    still = Push(torch.tensor([4, 4]), {1: torch.zeros(2, trial.frozen.spec.d_model, dtype=torch.float64)})
    for regime in ("direct", "replacement", "model"):
        assert effects_of(trial, still, targets, regime).abs().max() < 1e-12
        with holding(trial, regime, 1):
            final = trial.model.activations(trial.frozen.tokens[None], ["ln_final_normalized"])
        assert torch.allclose(final["ln_final_normalized"][0], trial.frozen.final, atol=1e-6)


def test_a_pattern_that_is_not_held_is_seen():
    trial = trial_of("gpt2", "relu")
    other = replace(trial.frozen.layers[1], pattern=trial.frozen.layers[1].pattern.roll(1, -1))
    broken = replace(
        trial, frozen=replace(trial.frozen, layers=(trial.frozen.layers[0], other, trial.frozen.layers[2]))
    )
    targets, columns = logit_targets(trial.frozen, [3, 7]), (trial.sources.layer == 0).nonzero().squeeze(1)[::5]
    pushed = feature_push(trial.sources, columns, -torch.ones(len(columns)).double())
    seen, wanted = (effects_of(one, pushed, targets, "direct") for one in (broken, trial))
    assert (seen - wanted).abs().max() > 0.01
