"""What holds of every prompt-pair task, in each style: answers are single tokens, pairs are minimal, seeds decide."""

import dataclasses

import pytest
import torch

from mechlab.core.config import build
from mechlab.core.errors import ConfigError, UnknownName, UsageError
from mechlab.corpora.tasks import PAIR_TASKS
from mechlab.corpora.tasks.pair_task import PairConfig
from mechlab.corpora.tasks.pairs import END

STYLES = [
    (name, style)
    for name in PAIR_TASKS
    for style in ("plain", "tales")
    if (name, style) != ("coloured_objects", "tales")
]


@pytest.fixture(params=STYLES, ids="-".join)
def case(request):
    """Return the task, its tokenizer, and what draws pairs in the style."""
    name, style = request.param
    task, tokenizer = PAIR_TASKS[name], request.getfixturevalue(style)
    return task, tokenizer, lambda **given: task.pairs(tokenizer, task.config(style=style, **given))


def texts(batches, tokenizer):
    return [tokenizer.decode(row) for pairs in batches for row in pairs.clean.tolist()]


def test_all_pairs_asked_for_are_there_in_batches_that_are_whole(case):
    task, tokenizer, draw = case
    batches = draw(n=41)
    assert sum(map(len, batches)) == 41
    assert [len(pairs) for pairs in batches] == sorted(map(len, batches), reverse=True)
    for pairs in batches:
        assert pairs.task == task.name and pairs.clean.shape == pairs.corrupted.shape
        assert len(pairs.facts) == len(pairs) and len({tuple(facts) for facts in pairs.facts}) == 1
        assert (pairs.clean[:, 0] == tokenizer.bos_id).all() and (pairs.corrupted[:, 0] == tokenizer.bos_id).all()
        assert (pairs.clean[:, 1:] != tokenizer.bos_id).all()
        assert (pairs.positions[END] == pairs.clean.shape[1] - 1).all()


def test_every_candidate_is_one_token_right_behind_both_prompts(case):
    _, tokenizer, draw = case
    for pairs in draw(n=24):
        for row, other, candidates in zip(pairs.clean, pairs.corrupted, pairs.candidates, strict=True):
            for ids in (row.tolist()[1:], other.tolist()[1:]):
                text = tokenizer.decode(ids)
                assert tokenizer.encode_batch_with_offsets([text])[0][0] == ids
                for candidate in candidates.tolist()[:5]:
                    word = tokenizer.decode([candidate])
                    gap = "" if text[-1:].isdigit() and not hasattr(tokenizer, "wrapped") else " "
                    behind = text + gap + word.strip()
                    assert tokenizer.encode_batch_with_offsets([behind])[0][0] == [*ids, candidate]


def test_candidates_differ_and_some_are_right_and_some_are_wrong(case):
    *_, draw = case
    for pairs in draw(n=24):
        assert all(len(set(row)) == len(row) for row in pairs.candidates.tolist())
        for right in (pairs.is_right, pairs.is_right_corrupted):
            assert right.any(1).all() and not right.all(1).any()
        assert (pairs.is_right != pairs.is_right_corrupted).any(1).all()


def test_the_corruption_changes_only_words_that_play_a_role(case):
    *_, draw = case
    for pairs in draw(n=24):
        roles = torch.stack([where for role, where in pairs.positions.items() if role != END], dim=1)
        changed = pairs.clean != pairs.corrupted
        assert changed.any(1).all()
        assert not changed.scatter(1, roles, False).any()


def test_equal_seeds_give_equal_pairs_and_more_pairs_begin_with_the_fewer(case):
    _, tokenizer, draw = case
    one, same, other = draw(n=20, seed=3), draw(n=20, seed=3), draw(n=20, seed=4)
    for pairs, again in zip(one, same, strict=True):
        assert pairs.facts == again.facts
        for name in ("clean", "corrupted", "candidates", "is_right", "is_right_corrupted"):
            assert torch.equal(getattr(pairs, name), getattr(again, name))
        assert all(torch.equal(where, again.positions[role]) for role, where in pairs.positions.items())
    assert set(texts(one, tokenizer)) != set(texts(other, tokenizer))
    assert set(texts(one, tokenizer)) < set(texts(draw(n=30, seed=3), tokenizer))


def test_no_prompt_comes_twice(case):
    _, tokenizer, draw = case
    found = texts(draw(n=200), tokenizer)
    assert len(set(found)) == 200


def test_the_global_seed_is_left_alone(case):
    *_, draw = case
    before = torch.get_rng_state()
    draw(n=5)
    assert torch.equal(before, torch.get_rng_state())


def test_a_tokenizer_without_a_start_token_opens_with_the_first_word(case, monkeypatch):
    _, tokenizer, draw = case
    with_start = draw(n=8)
    bare = type(
        "Bare", (), {"bos_id": None, "eos_id": None, "__getattr__": lambda self, name: getattr(tokenizer, name)}
    )()
    task, style = case[0], "tales" if hasattr(tokenizer, "wrapped") else "plain"
    for pairs, other in zip(with_start, task.pairs(bare, task.config(n=8, style=style)), strict=True):
        assert torch.equal(pairs.clean[:, 1:], other.clean)
        assert all(torch.equal(where - 1, other.positions[role]) for role, where in pairs.positions.items())


@pytest.mark.parametrize("name", PAIR_TASKS)
def test_a_config_refuses_what_it_does_not_know(name):
    config = PAIR_TASKS[name].config
    for bad in ({"colour": 1}, {"n": 0}, {"seed": -1}, {"style": "verse"}):
        with pytest.raises(ConfigError):
            build(config, bad)
    with pytest.raises(Exception, match="frozen"):
        config().n = 3


@pytest.mark.parametrize("name", PAIR_TASKS)
def test_the_config_of_another_task_is_refused(name, plain):
    with pytest.raises(UsageError, match=f"{PAIR_TASKS[name].config.__name__}"):
        PAIR_TASKS[name].pairs(plain, PairConfig())


@pytest.mark.parametrize("name", PAIR_TASKS)
def test_a_task_is_called_what_it_is_listed_as(name):
    assert PAIR_TASKS[name].name == name
    assert dataclasses.is_dataclass(PAIR_TASKS[name])


def test_an_unknown_task_names_the_known_ones():
    with pytest.raises(UnknownName, match="laundry_list"):
        PAIR_TASKS["laundry"]


@pytest.mark.parametrize("name", PAIR_TASKS)
def test_plain_sentences_are_refused_by_a_tokenizer_that_lacks_their_words(name, tales):
    with pytest.raises(UsageError) as caught:
        PAIR_TASKS[name].pairs(tales, PAIR_TASKS[name].config(n=50))
    assert "\n" not in str(caught.value)
