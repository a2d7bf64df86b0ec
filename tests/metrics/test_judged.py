"""A judge is asked once about each text, its answers can stand in for it, and a model judges by two words."""

import pytest
import torch
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.interventions.continuations import Continuation
from mechlab.metrics.concepts import Concept
from mechlab.metrics.judged import Judged, key_of, model_judge, recorded_judge
from mechlab.metrics.written_text import judge_texts
from mechlab.models.loaders import load

WORDS = ["may", "june", "yes", "no", *(f"w{number}" for number in range(54))]
BOS, EOS, MAY, JUNE = 0, 1, 3, 4
TEXTS = [Continuation(torch.tensor([[BOS, JUNE, MAY, MAY], [BOS, JUNE, JUNE, EOS], [BOS, JUNE, MAY, MAY]]), 2)]


@pytest.fixture(scope="module")
def reader():
    loaded = load(tiny("gpt2"), device="cpu")
    loaded.tokenizer = word_tokenizer(" ".join(WORDS))
    return loaded


def test_each_text_is_asked_about_once_without_its_prompt_and_special_tokens(reader):
    asked = []

    def judge(question, text):
        asked.append((question, text.split()))
        return 0.25 if "june" in text else 1.0

    concept = Judged("About may?", judge)
    assert concept.scores(reader, TEXTS).tolist() == [1.0, 0.25, 1.0]
    assert asked == [("About may?", ["may", "may"]), ("About may?", ["june"])]
    assert isinstance(concept, Concept) and judge_texts(reader, TEXTS, concept).concept.value == 0.75


def test_recorded_answers_stand_in_for_the_judge(reader):
    first = Judged("About may?", lambda question, text: 0.5)
    first.scores(reader, TEXTS)
    again = Judged("About may?", recorded_judge(first.answers))
    assert again.scores(reader, TEXTS).tolist() == [0.5] * 3
    with pytest.raises(UsageError, match="no recorded answer for a text"):
        Judged("About june?", recorded_judge(first.answers)).scores(reader, TEXTS)
    assert key_of("a", "b") != key_of("ab", "") and len(first.answers) == 2


@pytest.mark.parametrize("answer", [-0.1, 1.5, float("nan")])
def test_an_answer_that_is_no_share_is_refused(reader, answer):
    with pytest.raises(UsageError, match="judge's answer is no share"):
        Judged("About may?", lambda question, text: answer).scores(reader, TEXTS)


@torch.no_grad()
def test_a_model_judges_by_its_probability_of_one_word_against_another(reader):
    judge = model_judge(reader, "yes", "no")
    tokens = reader.to_tokens("may?\n\nText: june\n\nAnswer yes or no:")
    logits = reader.logits(tokens)[0, -1]
    yes, no = (int(reader.to_tokens(word, bos=False)[0, 0]) for word in ("yes", "no"))
    wanted = float(torch.sigmoid((logits[yes] - logits[no]).double()))
    assert judge("may?", " june ") == pytest.approx(wanted) and 0 < wanted < 1


def test_a_word_of_several_tokens_is_refused(reader):
    with pytest.raises(UsageError, match="judge's word is several tokens: 'yes no'"):
        model_judge(reader, "yes no", "no")
