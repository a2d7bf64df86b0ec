"""How well one code tells a topic, beside one neuron and one feature of an SAE at the same recall, and beside a null.

1. The held-out rows are cut in two. On the first half the code with the highest precision is chosen among those that
   find at least half of a topic's tokens (or the best by F1, where none does).
2. On the second half it is judged. Neurons and features get the threshold that gives the code's recall and are the best
   of all on the second half itself, which favours them.
3. The null is the best code for the topic's tokens moved by half the rows.
"""

from collections.abc import Iterator
from typing import Any

import torch
from steering import plain_estimate
from topics import Topic, topics
from torch import Tensor

from mechlab.corpora.rows import TokenRows
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.metrics.causes import Cause
from mechlab.metrics.code_index import CodeIndex, index_codes
from mechlab.metrics.code_search import CodeMatch, intervals, null_match, rank_codes
from mechlab.metrics.neuron_search import neuron_at_recall
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import side_by_side

LEAST_RECALL = 0.5


class Halves:
    """Held-out rows in two halves, each with the index of its codes."""

    def __init__(self, model: CodebookModel, rows: TokenRows) -> None:
        half = len(rows) // 2
        self.whole = rows
        self.rows = rows.select(slice(0, half)), rows.select(slice(half, 2 * half))
        self.indexes = tuple(index_codes(model, own) for own in self.rows)

    def read_by(self, model: CodebookModel) -> "Halves":
        """Return the same rows with another model's codes."""
        return Halves(model, self.whole)


def causes_of(topic: Topic, rows: TokenRows, model: LanguageModel) -> dict[str, Cause]:
    """Return a topic's tokens: where its words stand, and where a story calls for them."""
    calls = topic.calls(rows, model)
    here = {"word": topic.mentions(rows, model)}
    return here if calls is None else {"call": calls, **here}


def told(halves: Halves, judge: LanguageModel, rivals: dict[str, Tensor]) -> Iterator[dict[str, Any]]:
    """Yield a row for each topic and kind of token: the code, its precision and recall, its rivals', the null.

    Args:
        halves: the rows and their codes.
        judge: whose tokenizer spells them.
        rivals: activations on the second half's scored tokens, by what they are of.
    """
    (rows, there), (index, judged) = halves.rows, halves.indexes
    for name, topic in topics().items():
        chosen_on, judged_on = causes_of(topic, rows, judge), causes_of(topic, there, judge)
        for kind, mask in judged_on.items():
            match = best_code(index, chosen_on[kind])
            null = null_match(index, chosen_on[kind])
            yield {
                "topic": name,
                "tokens": kind,
                "n": int(mask.sum()),
                "site": match.site,
                "code": match.code,
                **measured(judged, match, mask, rivals),
                "null_f1": 0.0 if null is None else null.f1,
            }


def best_code(index: CodeIndex, mask: Cause) -> CodeMatch:
    """Return the most precise code of those that find half of a cause; where none does, the best by F1."""
    found = rank_codes(index, mask, min_recall=LEAST_RECALL, n=1, by="precision") or rank_codes(index, mask, n=1)
    return found[0]


def measured(index: CodeIndex, match: CodeMatch, mask: Cause, rivals: dict[str, Tensor]) -> dict[str, Any]:
    """Return a code's precision and recall on other rows, and its rivals' precision at that recall."""
    (active,) = index.active_on([(match.site, match.code)])
    (bounds,) = intervals([active], [mask], index.row, index.n_rows)
    recall = int(mask[active].sum()) / int(mask.sum())
    least = max(recall, 1 / int(mask.sum()))  # a code that misses all is held against a first hit
    best = {name: neuron_at_recall(mask, own, least).precision for name, own in rivals.items()}
    return {
        "precision": plain_estimate(bounds.precision),
        "recall": plain_estimate(bounds.recall),
        **{f"{name}_precision": precision for name, precision in best.items()},
    }


@torch.no_grad()
def neurons_of(model: LanguageModel, rows: TokenRows) -> Tensor:
    """Return all attention and MLP outputs of a model on the scored tokens of rows."""
    sites = [f"{kind}.{layer}" for layer in range(model.spec.n_layers) for kind in ("attn_out", "mlp_out")]
    return side_by_side(list(model.activations(rows.tokens.long(), sites).values()))[~rows.special]
