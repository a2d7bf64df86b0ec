"""A concept that is judged: someone is asked about each text, and the answers are kept so that they can be used again.

1. Each text behind its prompt is put to a judge with a question; the answer is a number from 0 to 1.
2. Equal texts are asked about once.
3. What was answered can be written down, and read back instead of asking.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from mechlab.core.errors import UsageError
from mechlab.interventions.continuations import Continuation
from mechlab.metrics.concepts import Scores
from mechlab.models.language_model import LanguageModel

Judge = Callable[[str, str], float]
"""From a question and a text to a number from 0 (no) to 1 (yes)."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What a judge says of texts.

    Attributes:
        question: what is asked about each text, such as "Is this about winter?".
        judge: who is asked.
        answers: known already, by `key_of` question and text; new ones are added.
    """

    question: str
    judge: Judge
    answers: dict[str, float] = field(default_factory=dict)

    def scores(self, reader: LanguageModel, texts: Sequence[Continuation]) -> Scores:
        """Return the judge's answer for each text.

        Raises:
            UsageError: an answer is not a number from 0 to 1.
        """
        special = reader.special_ids
        rows = [[token for token in row if token not in special] for one in texts for row in one.written.tolist()]
        said = [reader.to_text(torch.tensor([row]))[0] if row else "" for row in rows]
        return torch.tensor([self.answer(text) for text in said], dtype=torch.float64)

    def answer(self, text: str) -> float:
        """Return the answer for one text, asked once."""
        key = key_of(self.question, text)
        if key not in self.answers:
            answer = float(self.judge(self.question, text))
            if not (math.isfinite(answer) and 0 <= answer <= 1):
                raise UsageError("judge's answer is no share", value=answer, remedy="It must be from 0 to 1.")
            self.answers[key] = answer
        return self.answers[key]


def key_of(question: str, text: str) -> str:
    """Return what an answer is kept under."""
    return hashlib.sha256(f"{question}\0{text}".encode()).hexdigest()


def recorded_judge(answers: Mapping[str, float]) -> Judge:
    """Return a judge that only knows what was answered before.

    Raises (when asked):
        UsageError: there is no answer for a text.
    """

    def judge(question: str, text: str) -> float:
        if (key := key_of(question, text)) not in answers:
            remedy = "Ask the judge again, or take the texts that were judged."
            raise UsageError("no recorded answer for a text", value=text[:40], remedy=remedy)
        return answers[key]

    return judge


@torch.no_grad()
def model_judge(model: LanguageModel, yes: str = " yes", no: str = " no") -> Judge:
    """Return a judge that is a language model: its probability of one word against another, behind question and text.

    Args:
        model: who is asked; a model that follows instructions.
        yes: the word for 1, one token as it reads inside a text.
        no: the word for 0.

    Raises:
        UsageError: a word is several tokens.
    """
    words = [_token(model, word) for word in (yes, no)]

    def judge(question: str, text: str) -> float:
        tokens = model.checked(model.to_tokens(f"{question}\n\nText: {text.strip()}\n\nAnswer yes or no:"))
        with torch.no_grad():
            logits = model.logits(tokens)[0, -1, words].double()
        return float(logits.softmax(-1)[0])

    return judge


def _token(model: LanguageModel, word: str) -> int:
    ids = model.to_tokens(word, bos=False)[0].tolist()
    if len(ids) != 1:
        raise UsageError("judge's word is several tokens", value=word, remedy="Give one that is a single token.")
    return ids[0]
