"""Trials of components: what they change, for whom, and what their controls change instead; against edits by hand."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.tiny_models import tiny

from mechlab.circuits.channels.causes import ComponentTrial, at_role
from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.circuits.effects import Asked, effects
from mechlab.circuits.outcomes import AttentionDifference, LogitDifference
from mechlab.core.errors import UsageError
from mechlab.interventions.component_edit import ComponentEdit, edit_components
from mechlab.interventions.path_changes import Receiver
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed

MODEL = processed(HuggingFaceModel(tiny("gpt2")))
CIRCUITS = head_circuits(MODEL)
PAIRS = random_pairs()
HEAD = (0, 1)


def writes(trial: ComponentTrial, head=HEAD, pairs=PAIRS) -> torch.Tensor:
    with trial(Asked(MODEL, pairs)), MODEL.read(f"head.{head[0]}.{head[1]}") as found:
        MODEL.logits(pairs.clean)
    return found[f"head.{head[0]}.{head[1]}"].double()


def plain(tokens=PAIRS.clean) -> torch.Tensor:
    return MODEL.activations(tokens, ["head.0.1"])["head.0.1"].double()


@pytest.mark.parametrize(("way", "factor"), [("ablate", 0.0), ("amplify", 2.0)])
def test_components_are_scaled_as_component_edits_do(way, factor):
    edits = [ComponentEdit("ov", 0, 1, CIRCUITS.ov.write[0, 1, :, number], factor) for number in (0, 3)]
    with edit_components(MODEL, edits):
        wanted = MODEL.logits(PAIRS.clean)
    with ComponentTrial(CIRCUITS, ((0, 1, 0), (0, 1, 3)), way)(Asked(MODEL, PAIRS)):
        assert torch.allclose(MODEL.logits(PAIRS.clean), wanted, atol=1e-5)


def test_an_exchanged_component_is_that_of_the_corrupted_prompt():
    along = CIRCUITS.ov.write[0, 1, :, 2]
    after = writes(ComponentTrial(CIRCUITS, ((0, 1, 2),), "exchange"))
    assert torch.allclose(after @ along, plain(PAIRS.corrupted) @ along, atol=1e-5)
    across = torch.eye(len(along), dtype=torch.float64) - torch.outer(along, along)
    assert torch.allclose(after @ across, plain() @ across, atol=1e-5)


def test_all_components_exchanged_at_all_tokens_of_a_first_layer_s_heads_is_the_corrupted_attention():
    whole = tuple((0, head, number) for head in range(4) for number in range(CIRCUITS.ov.values.shape[-1]))
    with ComponentTrial(CIRCUITS, whole, "exchange")(Asked(MODEL, PAIRS)), MODEL.read("attn_out.0") as found:
        MODEL.logits(PAIRS.clean)
    wanted = MODEL.activations(PAIRS.corrupted, ["attn_out.0"])["attn_out.0"]
    assert torch.allclose(found["attn_out.0"], wanted, atol=1e-4)


def test_an_averaged_component_is_one_number_for_all_prompts_and_changes_at_its_role_alone():
    along = CIRCUITS.ov.write[0, 1, :, 1]
    after, before = writes(ComponentTrial(CIRCUITS, ((0, 1, 1),), "average", at="IO")), plain()
    marks = at_role(Asked(MODEL, PAIRS), "IO")
    assert torch.allclose((after @ along)[marks], (before @ along)[marks].mean().expand(6), atol=1e-5)
    assert torch.equal(after[~marks], before[~marks])
    everywhere = writes(ComponentTrial(CIRCUITS, ((0, 1, 1),), "average"))
    assert torch.allclose(everywhere @ along, (before @ along).mean().expand(6, 9), atol=1e-5)


def test_a_control_takes_as_much_away_along_a_direction_the_head_can_write_across_the_component():
    trial = ComponentTrial(CIRCUITS, ((0, 1, 0), (0, 1, 5)))
    taken, control = writes(trial) - plain(), writes(trial.controlled(7)) - plain()
    assert torch.allclose(taken.norm(dim=-1), control.norm(dim=-1), atol=1e-5)
    write = CIRCUITS.ov.write[0, 1]
    assert (control @ write[:, [0, 5]]).abs().max() < 1e-5
    assert torch.allclose(control @ write @ write.T, control, atol=1e-5)
    assert not torch.allclose(control, writes(trial.controlled(8)) - plain(), atol=1e-2)


def test_a_receiver_alone_sees_it_or_the_logits_alone():
    receiver = Receiver((1, 2), "q")
    outcomes = [LogitDifference(), AttentionDifference((1, 2)), AttentionDifference((1, 3))]
    own = {"total": {}, "path": {"receivers": (receiver,)}, "logits": {"logits": True}}
    trials = {name: ComponentTrial(CIRCUITS, ((0, 1, 0),), **more) for name, more in own.items()}
    found = effects(MODEL, [PAIRS], trials, outcomes)
    assert found.of("path", outcomes[2].name).abs().max() < 1e-6
    assert found.of("logits", outcomes[1].name).abs().max() < 1e-6
    assert found.of("path", outcomes[1].name).abs().max() > 1e-3
    assert found.of("total", outcomes[2].name).abs().max() > 1e-3
    assert found.of("logits", "logit_difference").abs().max() > 0


def test_restricted_to_what_a_receiver_reads_nothing_else_changes():
    receiver = Receiver((1, 2), "q")
    trial = ComponentTrial(CIRCUITS, ((0, 1, 0),), seen_by=receiver)
    change = writes(trial) - plain()
    readable = CIRCUITS.readers("q").directions[1, 2]
    assert torch.allclose(change @ readable @ readable.T, change, atol=1e-5)
    whole = writes(ComponentTrial(CIRCUITS, ((0, 1, 0),))) - plain()
    assert torch.allclose(change, whole @ readable @ readable.T, atol=1e-5)


@pytest.mark.parametrize("component", [(0, 9, 0), (3, 0, 0), (0, 0, 99), (0, 0, -1)])
def test_components_of_another_model_are_refused(component):
    with pytest.raises(UsageError, match="no such component"):
        ComponentTrial(CIRCUITS, (component,))


def test_impossible_trials_are_refused():
    with pytest.raises(UsageError, match="none, or one is there twice"):
        ComponentTrial(CIRCUITS, ())
    with pytest.raises(UsageError, match="none, or one is there twice"):
        ComponentTrial(CIRCUITS, ((0, 0, 0), (0, 0, 0)))
    with pytest.raises(UsageError, match="only what is taken away has a control"):
        ComponentTrial(CIRCUITS, ((0, 0, 0),), "amplify", control=1)
    with pytest.raises(UsageError, match="too few directions are left"):
        half = tuple((*HEAD, number) for number in range(6))
        ComponentTrial(CIRCUITS, half).controlled(0)(Asked(MODEL, PAIRS))
    with pytest.raises(UsageError, match="no such role"):
        ComponentTrial(CIRCUITS, ((0, 0, 0),), at="S9")(Asked(MODEL, PAIRS))
