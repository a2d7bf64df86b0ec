"""Texts a model wrote, judged: how many speak of a topic, how natural another model finds them, how varied they are.

1. A text speaks of a topic if a pattern is found in what was written behind the prompt.
2. Fluency is what a judge, the model without any edit, pays for each token written.
3. Variety is the share of different n-grams among all n-grams written: text that turns in circles has few.
4. Texts are the independent units of every interval.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.interventions.continuations import Continuation
from mechlab.metrics.bootstrap import estimate, ratio
from mechlab.metrics.causes import compiled
from mechlab.metrics.next_token import RowLosses, losses_where
from mechlab.models.language_model import LanguageModel

N_GRAMS = (1, 2, 3)


@dataclass(frozen=True)
class WrittenText:
    """What is known of texts.

    Attributes:
        topic_share: which part of them speaks of the topic.
        nll_nats: the judge's mean loss per token written; special tokens do not count. None where nothing else was
            written.
        distinct: for n = 1, 2, 3 the share of different n-grams among all; 0 where there are none.
        n_texts: how many there are.
    """

    topic_share: Estimate
    nll_nats: Estimate | None
    distinct: dict[int, float]
    n_texts: int


def judge_texts(judge: LanguageModel, texts: Sequence[Continuation], pattern: str, seed: int = 0) -> WrittenText:
    """Return what texts are worth.

    Args:
        judge: the model that knows how natural text reads: the one that was edited, without the edit.
        texts: what was written.
        pattern: regular expression of the topic, looked for in the lower-cased text behind each prompt.
        seed: of the intervals' redraws.

    Raises:
        UsageError: the pattern does not compile.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features", section 4.2 (share of texts with the topic, by
    pattern); Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5.2
    (distinct-n); loss under the unedited model and intervals are ours.
    """
    topic = compiled(pattern)
    speaks = torch.cat([mentions(judge, one.written, topic) for one in texts]).double()
    share = estimate(torch.stack([speaks, torch.ones_like(speaks)], dim=1), ratio, seed=seed)
    assert share is not None
    losses = torch.cat([losses_of_written(judge, one) for one in texts])
    special = torch.tensor(sorted(judge.special_ids))
    rows = [row[~torch.isin(row, special)].tolist() for one in texts for row in one.written]
    distinct = {n: distinct_share(rows, n) for n in N_GRAMS}
    return WrittenText(share, estimate(losses, ratio, unit="nats", seed=seed), distinct, len(speaks))


def mentions(
    model: LanguageModel, written: Int[Tensor, "n_texts new"], topic: re.Pattern[str]
) -> Bool[Tensor, "n_texts"]:
    """Return which texts hold a match, in lower case; special tokens part a text, and no match crosses them."""
    found = []
    for row in written.tolist():
        parts: list[list[int]] = [[]]
        for token in row:
            if token in model.special_ids:
                parts.append([])
            else:
                parts[-1].append(token)
        whole = [model.to_text(torch.tensor([part]))[0].lower() for part in parts if part]
        found.append(any(topic.search(text) for text in whole))
    return torch.tensor(found)


def losses_of_written(judge: LanguageModel, texts: Continuation) -> RowLosses:
    """Return, for each text, the nats that its written tokens cost the judge, and how many of them count."""
    counts = ~torch.isin(texts.tokens[:, 1:], torch.tensor(sorted(judge.special_ids)))
    counts[:, : texts.n_prompt - 1] = False
    return losses_where(judge, texts.tokens, counts)


def distinct_share(rows: Sequence[Sequence[int]], n: int) -> float:
    """Return the share of different n-grams among those of all rows; no n-gram crosses rows."""
    grams = [tuple(row[start : start + n]) for row in rows for start in range(len(row) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0
