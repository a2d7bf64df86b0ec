"""Texts a model wrote, judged: how much they are about a concept, how natural, how varied and how repetitive they are.

1. A concept scores what was written behind the prompt.
2. Fluency is what a judge, the model without any edit, pays for each token written.
3. Variety is the share of different n-grams among all n-grams written: text that turns in circles has few.
4. Repetition is the share of a text's own n-grams that stood in it before.
5. Texts are the independent units of every interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.interventions.continuations import Continuation
from mechlab.metrics.bootstrap import estimate, mean_estimate, ratio
from mechlab.metrics.concepts import Concept, as_concept
from mechlab.metrics.next_token import RowLosses, losses_where
from mechlab.models.language_model import LanguageModel

N_GRAMS = (1, 2, 3)
REPEATED = 4


@dataclass(frozen=True)
class WrittenText:
    """What is known of texts.

    Attributes:
        concept: the mean of what the concept scores; with a pattern, the share of texts that hold a match.
        nll_nats: the judge's mean loss per token written; special tokens do not count. None where nothing else was
            written.
        distinct: for n = 1, 2, 3 the share of different n-grams among all; 0 where there are none.
        repetition: the share of the 4-grams of texts that stood in the same text before. None where there are none.
        n_texts: how many there are.
    """

    concept: Estimate
    nll_nats: Estimate | None
    distinct: dict[int, float]
    repetition: Estimate | None
    n_texts: int


def judge_texts(
    judge: LanguageModel,
    texts: Sequence[Continuation],
    concept: Concept | str,
    seed: int = 0,
    losses: RowLosses | None = None,
) -> WrittenText:
    """Return what texts are worth.

    Args:
        judge: the model that knows how natural text reads: the one that was edited, without the edit.
        texts: what was written.
        concept: what they may be about; a text is a regular expression that is looked for in the lower-cased text
            behind each prompt.
        seed: of the intervals' redraws.
        losses: what `losses_of_texts` gives for the same judge and texts, if that is known.

    Raises:
        UsageError: the pattern does not compile.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features", section 4.2 (share of texts with the topic, by
    pattern); Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5.2
    (distinct-n); loss under the unedited model and intervals are ours.
    """
    scores = as_concept(concept).scores(judge, texts)
    told = mean_estimate(scores, seed=seed)
    assert told is not None
    losses = losses_of_texts(judge, texts) if losses is None else losses
    rows = [row for one in texts for row in plain_rows(judge, one)]
    return WrittenText(
        concept=told,
        nll_nats=estimate(losses, ratio, unit="nats", seed=seed),
        distinct={n: distinct_share(rows, n) for n in N_GRAMS},
        repetition=estimate(repeated(rows, REPEATED), ratio, seed=seed),
        n_texts=len(scores),
    )


def plain_rows(judge: LanguageModel, texts: Continuation) -> list[list[int]]:
    """Return the written tokens of each text without special ones."""
    special = torch.tensor(sorted(judge.special_ids))
    return [row[~torch.isin(row, special)].tolist() for row in texts.written]


def losses_of_written(judge: LanguageModel, texts: Continuation) -> RowLosses:
    """Return, for each text, the nats that its written tokens cost the judge, and how many of them count."""
    counts = ~torch.isin(texts.tokens[:, 1:], torch.tensor(sorted(judge.special_ids)))
    counts[:, : texts.n_prompt - 1] = False
    return losses_where(judge, texts.tokens, counts)


def losses_of_texts(judge: LanguageModel, texts: Sequence[Continuation]) -> RowLosses:
    """Return the same for texts behind several prompts, in their order; prompts of one length are read together."""
    shapes = [(one.n_prompt, one.tokens.shape[1]) for one in texts]
    found: dict[int, RowLosses] = {}
    for shape in dict.fromkeys(shapes):
        places = [place for place, own in enumerate(shapes) if own == shape]
        joined = Continuation(torch.cat([texts[place].tokens for place in places]), shape[0])
        parts = losses_of_written(judge, joined).split([len(texts[place].tokens) for place in places])
        found |= dict(zip(places, parts, strict=True))
    return torch.cat([found[place] for place in range(len(texts))])


def distinct_share(rows: Sequence[Sequence[int]], n: int) -> float:
    """Return the share of different n-grams among those of all rows; no n-gram crosses rows."""
    grams = [tuple(row[start : start + n]) for row in rows for start in range(len(row) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def repeated(rows: Sequence[Sequence[int]], n: int) -> Float64[Tensor, "n_texts 2"]:
    """Return how many n-grams of each row stood in it before, and how many it has."""
    counts = [[row[start : start + n] for start in range(len(row) - n + 1)] for row in map(tuple, rows)]
    return torch.tensor([[len(own) - len(set(own)), len(own)] for own in counts], dtype=torch.float64).view(-1, 2)
