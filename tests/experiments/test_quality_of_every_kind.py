from types import SimpleNamespace

import pytest
import torch
import yaml
from experiment_pieces import EXPERIMENTS, pieces_of

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig

PLACE = "004_quality_of_every_kind"
MODULES = ("trainers", "synthetic", "tales", "comparing", "arms")
BOTH = ("relu", "gated", "topk", "batchtopk", "jumprelu", "matryoshka")
SETTINGS = yaml.safe_load((EXPERIMENTS / PLACE / "config.yaml").read_text())
OPTIONS = {
    "relu": {"l1_coefficient": 0.5, "l1_warm_up_steps": 6},
    "gated": {"l1_coefficient": 0.5, "l1_warm_up_steps": 6},
    "topk": {"k": 4},
    "batchtopk": {"k": 4},
    "jumprelu": {"l0_coefficient": 0.1, "l0_warm_up_steps": 6},
    "matryoshka": {"k": 4, "widths": [8, 32]},
}
CONFIG = TrainConfig(
    n_tokens=12 * 64, batch_size=64, lr=1e-2, lr_warmup_fraction=0.25, dead_after_tokens=128, b_dec_init="zeros"
)


@pytest.fixture(scope="module")
def pieces():
    with pieces_of(PLACE, *MODULES) as found:
        yield found


def batches(n: int = 12) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    codes = torch.rand(n * 64, 24, generator=draw) * (torch.rand(n * 64, 24, generator=draw) < 0.1)
    return list((codes @ torch.randn(24, 16, generator=draw) + 0.5).split(64))


def start(kind: str):
    return KINDS[kind](build(KINDS[kind].Config, {"d_in": 16, "d_sae": 32, **OPTIONS[kind]}))


def apart(one, other, dictionary) -> float:
    """Return the distance of two reconstructions as a part of what training changed."""
    rows = batches(13)[-1]
    with torch.no_grad():
        return float((one(rows) - other(rows)).norm() / (one(rows) - dictionary(rows)).norm())


def test_the_kinds_compared_are_all_those_that_both_have(pieces):
    assert set(pieces.trainers.THEIRS) == set(BOTH)
    for data in ("tales", "synthetic"):
        assert set(SETTINGS[data]["kinds"]) == set(BOTH)


@pytest.mark.parametrize("kind", BOTH)
def test_both_trainers_make_the_same_dictionary_where_b_dec_starts_alike(pieces, kind):
    ours = pieces.trainers.train_ours(start(kind), batches(), CONFIG)
    theirs = pieces.trainers.train_theirs(start(kind), batches(), CONFIG)
    assert apart(ours, theirs, start(kind)) < 1e-4


@pytest.mark.parametrize("kind", BOTH)
def test_the_judge_sees_what_was_trained(pieces, kind):
    trained = pieces.trainers.train_ours(start(kind), batches(), CONFIG)
    rows = batches(1)[0]
    with torch.no_grad():
        for seen in (pieces.trainers.same_form(trained), pieces.trainers.opened_by_saelens(trained)):
            torch.testing.assert_close(seen.decode(seen.encode(rows)), trained(rows), rtol=1e-4, atol=1e-5)


def test_training_leaves_the_starting_dictionary_alone(pieces):
    given = start("topk")
    for train in pieces.arms.ARMS.values():
        train(given, batches(), CONFIG)
    assert all(torch.equal(value, start("topk").state_dict()[name]) for name, value in given.state_dict().items())


def test_the_arms_differ_in_training_and_in_where_b_dec_starts(pieces):
    mean = CONFIG.model_copy(update={"b_dec_init": "mean"})
    made = {name: train(start("topk"), batches(), mean) for name, train in pieces.arms.ARMS.items()}
    assert apart(made["mechlab, b_dec from zero"], made["saelens"], start("topk")) < 1e-4
    assert apart(made["mechlab"], made["saelens"], start("topk")) > 1e-2
    assert apart(made["untrained"], made["mechlab"], start("topk")) > 1e-2
    torch.testing.assert_close(made["untrained"].b_dec.detach(), batches()[0].mean(0), rtol=1e-4, atol=1e-5)


def test_true_directions_are_all_recovered_and_drawn_ones_are_not(pieces):
    world = pieces.synthetic.Synthetic(SETTINGS["synthetic"] | {"features": 64}, 0, CONFIG)
    true = KINDS["topk"](build(KINDS["topk"].Config, {"d_in": 128, "d_sae": 64, "k": 8}))
    drawn = world.judged(true)
    with torch.no_grad():
        true.W_dec.copy_(world.truth.feature_vectors)
        true.encoder.copy_(world.truth.feature_vectors)
    found = world.judged(true)
    assert found["mcc"] == pytest.approx(1) == found["mean_max_cosine"]
    assert drawn["mcc"] < 0.5 > drawn["mean_max_cosine"]
    assert found["explained_variance"] > 0.8 > drawn["explained_variance"]


def test_vectors_are_the_same_again_and_the_global_seed_is_left_alone(pieces):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small = SETTINGS["synthetic"] | {"features": 64}
    first, second = (pieces.synthetic.Synthetic(small, 1, CONFIG).batches for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(torch.rand(3), expected)


def rows_with(ours: list[float], theirs: list[float], number: str = "mcc") -> list[dict]:
    values = {"mechlab": ours, "saelens": theirs}
    common = {"data": "synthetic", "kind": "topk"}
    return [{**common, "arm": arm, "seed": s, number: v} for arm, side in values.items() for s, v in enumerate(side)]


@pytest.mark.parametrize(
    ("ours", "below"),
    [([0.88, 0.89, 0.90], True), ([0.80, 0.92, 0.89], False), ([0.92, 0.93, 0.94], False)],
)
def test_below_means_that_the_whole_interval_of_paired_differences_is(pieces, ours, below):
    (line,) = pieces.comparing.compared(rows_with(ours, [0.90, 0.91, 0.92]), "mechlab", "saelens")
    assert line["below"] is below
    assert line["difference"] == pytest.approx(sum(ours) / 3 - 0.91)


def test_the_interval_is_students_of_the_differences(pieces):
    (line,) = pieces.comparing.compared(rows_with([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]), "mechlab", "saelens")
    assert (line["low"], line["high"]) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))


def test_fewer_codes_are_not_called_worse_and_unpaired_seeds_are_left_out(pieces):
    rows = rows_with([8.0, 8.1, 8.2], [9.0, 9.1, 9.2], "l0")
    (line,) = pieces.comparing.compared(rows[:-1], "mechlab", "saelens")
    assert not line["below"]
    assert line["ours"] == pytest.approx(8.05)


def test_one_seed_says_nothing(pieces):
    (line,) = pieces.comparing.compared(rows_with([0.1], [0.9]), "mechlab", "saelens")
    assert (line["n"], line["below"]) == (1, False)


def test_a_row_that_is_done_is_not_trained_again(pieces):
    world = SimpleNamespace(batches=batches(), seed=3, training=CONFIG, judged=lambda dictionary: {"mcc": 0.5})
    rows = list(pieces.arms.rows_of(world, {"topk": {"k": 4}}, 32, {("topk", "mechlab")}, ["mechlab", "untrained"]))
    assert [(row["arm"], row["seed"], row["mcc"]) for row in rows] == [("untrained", 3, 0.5)]
