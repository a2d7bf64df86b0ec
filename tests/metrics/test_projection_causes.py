"""A planted cause is told by its component and by nothing else; areas are those of scipy's U over the rows scored."""

import pytest
import torch
from circuits.channels.planted_head import HEAD, planted_model, planted_rows
from scipy.stats import mannwhitneyu

from mechlab.circuits.channels.drawn import drawn_in_head
from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.circuits.channels.projections import projections
from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.projection_causes import ProjectionConfig, carried_causes


@pytest.fixture(scope="module")
def planted():
    model, planted = planted_model()
    circuits, rows = head_circuits(model), planted_rows()
    component = int((circuits.ov.write[HEAD].mT @ planted).abs().argmax())
    other = (component + 3) % 16
    drawn = drawn_in_head(circuits, HEAD, 24, torch_generator(0, "test"))
    own = circuits.ov.write[HEAD].T[[component, other]]
    amounts = projections(model, rows, [HEAD] * 26, torch.cat([own, drawn]))
    return rows, amounts


def test_the_planted_component_tells_its_cause_and_random_directions_of_its_head_do_not(planted):
    rows, amounts = planted
    found = carried_causes(amounts[0], amounts[2:], rows)
    first = found.causes[0]
    assert first.name == "mark=there" and found.n_classes == 3 and found.n_drawn == 24
    assert max(first.amount.auc.value, 1 - first.amount.auc.value) > 0.99
    assert 0.5 < max(first.told.shuffled, 1 - first.told.shuffled) < 0.6
    assert max(first.amount.drawn, 1 - first.amount.drawn) < 0.75 and first.amount.n_as_far == 0
    coin = [one for one in found.causes if one.name.startswith("coin")]
    assert len(coin) == 2 and all(abs(one.told.auc.value - 0.5) < 0.05 for one in coin)


def test_another_component_of_the_head_does_not(planted):
    rows, amounts = planted
    found = carried_causes(amounts[1], amounts[2:], rows)
    mark = next(one for one in found.causes if one.name == "mark=there")
    assert max(mark.told.auc.value, 1 - mark.told.auc.value) < 0.65 and mark.told.n_as_far > 0


def test_areas_are_scipy_s_u_on_the_rows_not_chosen_on_special_tokens_left_out(planted):
    rows, amounts = planted
    found = carried_causes(amounts[1], amounts[2:], rows)
    half, kept = slice(1, None, 2), ~rows.special[1::2]
    for one in found.causes:
        label, value = one.name.split("=")
        positive = rows.labels[label][half][kept] == rows.label_names[label].index(value)
        assert one.n_positives == int(positive.sum())
        areas = {}
        for name, values in (("amount", amounts), ("size", amounts.abs())):
            own = values[:, half][:, kept].double()
            areas[name] = [
                mannwhitneyu(line[positive], line[~positive]).statistic / (positive.sum() * (~positive).sum()).item()
                for line in own
            ]
        for told, name in ((one.amount, "amount"), (one.size, "size")):
            area = areas[name][1]
            assert told.auc.value == pytest.approx(area)
            assert told.auc.low <= told.auc.value <= told.auc.high and told.auc.n == len(rows) // 2
            far = max(abs(other - 0.5) for other in areas[name][2:])
            assert abs(told.drawn - 0.5) == pytest.approx(far) and (told.drawn > 0.5) == (area >= 0.5)
            assert told.n_as_far == sum(abs(other - 0.5) >= abs(area - 0.5) for other in areas[name][2:])
            assert (told.shuffled > 0.5) == (area >= 0.5)


def test_causes_are_ranked_by_the_other_rows(planted):
    rows, amounts = planted
    there = (rows.labels["mark"] == 0).float()
    only_scored = amounts[1].clone()
    only_scored[1::2] = there[1::2] + 0.001 * amounts[1][1::2]
    assert carried_causes(only_scored, amounts[2:], rows, ProjectionConfig(n_causes=1)).n_classes == 3
    tilted = (rows.labels["coin"] == 0).float()
    tilted[1::2] = there[1::2]
    found = carried_causes(tilted, amounts[2:], rows, ProjectionConfig(n_causes=1))
    assert found.causes[0].name.startswith("coin") and abs(found.causes[0].told.auc.value - 0.5) < 0.1


def test_a_cause_in_the_size_alone_is_read_by_the_size(planted):
    rows, amounts = planted
    sign = torch.where(torch.rand(rows.tokens.shape, generator=torch.Generator().manual_seed(5)) < 0.5, -1.0, 1.0)
    sized = sign * (1 + 3 * (rows.labels["mark"] == 0).float())
    first = carried_causes(sized, amounts[2:], rows).causes[0]
    assert first.name == "mark=there" and first.best == "size" and first.told.auc.value > 0.99
    assert abs(first.amount.auc.value - 0.5) < 0.1


def test_rare_classes_are_not_scored_and_what_cannot_be_is_refused(planted):
    rows, amounts = planted
    none = carried_causes(amounts[0], amounts[2:], rows, ProjectionConfig(min_positives=100_000))
    assert none.causes == () and none.n_classes == 0
    plain = TokenRows(rows.tokens, rows.special, "plain")
    with pytest.raises(UsageError, match="corpus has no labels"):
        carried_causes(amounts[0], amounts[2:], plain)
    with pytest.raises(UsageError, match="no direction is drawn"):
        carried_causes(amounts[0], amounts[2:2], rows)
