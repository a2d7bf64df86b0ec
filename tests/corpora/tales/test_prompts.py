import pytest

from mechlab.core.errors import UnknownName
from mechlab.corpora.tales import corpus as corpus_module
from mechlab.corpora.tales import prompts as prompts_module
from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.prompts import prompts
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tales.vocabulary import vocabulary, words_of


@pytest.mark.parametrize("task", TASKS)
def test_prompts_end_right_before_an_answer_that_is_a_word(task):
    words = set(vocabulary())
    for prompt in prompts(task, 60):
        assert prompt.task == task
        assert prompt.text == prompt.text.strip() and words_of(prompt.text)
        assert {*prompt.answers, *prompt.distractors} <= words
        assert prompt.answers and prompt.distractors
        assert not set(prompt.answers) & set(prompt.distractors)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_asks_the_same_and_more_prompts_begin_with_the_fewer(task):
    assert prompts(task, 8, seed=1)[:5] == prompts(task, 5, seed=1) != prompts(task, 5, seed=2)


def test_prompts_are_drawn_apart_from_the_documents():
    corpus = TalesCorpus(0, tasks=["left_over"])
    told = [corpus.document(index).text for index in range(300)]
    asked = [prompt.text for prompt in prompts("left_over", 300, n_items=5)]
    assert not [text for text in asked if any(document.startswith(text) for document in told)]


def test_no_prompt_shares_its_randomness_with_a_document(monkeypatch):
    purposes = {prompts_module: [], corpus_module: []}
    for module, asked in purposes.items():
        monkeypatch.setattr(module, "sub_seed", lambda seed, purpose, asked=asked: asked.append(purpose) or seed)
    for task in TASKS:
        prompts_module.prompts(task, 3)
    list(TalesCorpus(0, n_documents=3).documents())
    told, asked = purposes[corpus_module], purposes[prompts_module]
    assert len({*told, *asked}) == len(told) + len(asked) == 3 + 3 * len(TASKS)


def test_what_a_task_lets_one_fix_is_fixed():
    assert {prompt.facts["n_items"] for prompt in prompts("left_over", 40, n_items=7)} == {7}
    assert {prompt.facts["order"] for prompt in prompts("ioi", 40, order="ABBA")} == {"ABBA"}
    fixed = prompts("ownership", 40, n_people=3, direction="from_owner")
    assert {(prompt.facts["n_people"], prompt.facts["direction"]) for prompt in fixed} == {(3, "from_owner")}


def test_an_unknown_task_names_the_known_ones():
    with pytest.raises(UnknownName, match="ioi"):
        prompts("iio", 1)
