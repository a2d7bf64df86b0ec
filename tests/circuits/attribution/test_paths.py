"""A path reads as its steps and what it brings; paths that differ in positions only are summed."""

from mechlab.circuits.attribution.paths import Path, Step, largest, summed_over_positions

TARGET = Step("target", 2, 3, 0)


def path(head: Step, token: Step, *effects: float, target: Step = TARGET) -> Path:
    return Path((token, head, target), effects)


FIRST = path(Step("head", 1, 3, 2, 1), Step("token", None, 1), 0.5, 1.0, 4.0)
SECOND = path(Step("head", 1, 3, 2, 0), Step("token", None, 0), -2.0, 0.25, 4.0)
OTHER = path(Step("head", 1, 3, 0, 0), Step("token", None, 0), -0.75, 1.0, 4.0)


def test_steps_have_names():
    steps = [
        Step("feature", 1, 5, 17),
        Step("head", 9, 12, 1, 5),
        Step("skip", 1, 5),
        Step("error", 0, 2),
        Step("bos", 1, 0),
        Step("target", 3, 4, 0),
        Step("target", 3, 4, 0, label="larger years"),
        Step("head", 9, None, 1),
    ]
    names = ["feature.1.17@5", "head.9.1@5>12", "skip.1@5", "error.0@2", "bos.1@0", "target.0@4", "larger years@4"]
    assert [step.name for step in steps] == [*names, "head.9.1"]


def test_a_path_reads_from_its_first_step_to_the_target():
    assert str(FIRST) == "token@1 → head.1.2@1>3 → target.0@3  +0.5"
    assert FIRST.contribution == 0.5 and len(FIRST) == 3
    assert FIRST.is_complete and not Path(FIRST.steps[1:], FIRST.effects[1:]).is_complete


def test_the_largest_stand_first_whatever_their_sign():
    assert largest([FIRST, OTHER, SECOND]) == (SECOND, OTHER, FIRST)
    assert largest([FIRST, OTHER, SECOND], 1) == (SECOND,)


def test_paths_that_are_alike_but_for_positions_are_summed():
    found = summed_over_positions([FIRST, SECOND, OTHER])
    assert [str(one) for one in found] == ["token → head.1.2 → target.0  -1.5", "token → head.1.0 → target.0  -0.75"]
    assert found[0].effects == (-1.5, 1.25, 8.0)
