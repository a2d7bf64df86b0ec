"""Scores of a language model on the tasks hidden in `tales`: next-word choices on held-out prompts, with intervals."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from scipy.stats import binomtest
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechlab.corpora.tales.prompts import Prompt, prompts

NextLogits = Callable[[Sequence[str]], Float[Tensor, "prompt d_vocab"]]
WordId = Callable[[str], int]


def next_logits_of(model: Any, tokenizer: Any) -> NextLogits:
    """Return the function from prompts to the model's logits for the word that follows each."""

    @torch.inference_mode()
    def next_logits(texts: Sequence[str]) -> Tensor:
        rows = [[tokenizer.bos_token_id, *tokenizer(text)["input_ids"]] for text in texts]
        longest = max(map(len, rows))
        padded = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
        last = torch.tensor([len(row) - 1 for row in rows])
        return model(input_ids=padded, use_cache=False).logits[torch.arange(len(rows)), last].float()

    return next_logits


def accuracy(hits: Sequence[bool]) -> dict[str, Any]:
    """Return the share of hits with its 95 % Wilson interval."""
    interval = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return {"value": sum(hits) / len(hits), "low": interval.low, "high": interval.high, "n": len(hits)}


def top_answers(asked: Sequence[Prompt], next_logits: NextLogits, word_id: WordId) -> list[bool]:
    """Return, per prompt, whether the word with the highest logit of the whole vocabulary is a right answer."""
    best = next_logits([prompt.text for prompt in asked]).argmax(-1).tolist()
    return [choice in {word_id(word) for word in prompt.answers} for choice, prompt in zip(best, asked, strict=True)]


def preferred_answers(asked: Sequence[Prompt], next_logits: NextLogits, word_id: WordId) -> list[bool]:
    """Return, per prompt, whether the right answers get more probability than the distractors (chance is one half)."""
    probabilities = next_logits([prompt.text for prompt in asked]).softmax(-1)
    return [
        float(p[[word_id(w) for w in prompt.answers]].sum()) > float(p[[word_id(w) for w in prompt.distractors]].sum())
        for p, prompt in zip(probabilities, asked, strict=True)
    ]


def mass_on_answers(asked: Sequence[Prompt], next_logits: NextLogits, word_id: WordId) -> dict[str, Any]:
    """Return the mean probability on the right answers together, with a 95 % normal interval."""
    probabilities = next_logits([prompt.text for prompt in asked]).softmax(-1)
    mass = [
        float(p[[word_id(w) for w in prompt.answers]].sum()) for p, prompt in zip(probabilities, asked, strict=True)
    ]
    mean = sum(mass) / len(mass)
    deviation = math.sqrt(sum((m - mean) ** 2 for m in mass) / (len(mass) - 1))
    half = 1.96 * deviation / math.sqrt(len(mass))
    return {"value": mean, "low": mean - half, "high": min(1.0, mean + half), "n": len(mass)}


def judge_tasks(next_logits: NextLogits, word_id: WordId, n: int = 1000, seed: int = 1) -> dict[str, Any]:
    """Return accuracy per task; left-over recall by length of the list, greater-than also as probability mass."""
    results: dict[str, Any] = {}
    for task in ("ioi", "pronoun", "ownership", "surname", "greater_than"):
        asked = prompts(task, n, seed)
        results[task] = {
            "top_1": accuracy(top_answers(asked, next_logits, word_id)),
            "over_distractors": accuracy(preferred_answers(asked, next_logits, word_id)),
        }
        if task == "greater_than":
            results[task]["mass_on_larger_years"] = mass_on_answers(asked, next_logits, word_id)
    for length in range(2, 11):
        asked = prompts("left_over", n, seed, n_items=length)
        results[f"left_over_{length}"] = {"top_1": accuracy(top_answers(asked, next_logits, word_id))}
    return results


@torch.inference_mode()
def loss_on_documents(model: Any, encode: Callable[[str], list[int]], documents: Sequence[Any], bos_id: int) -> dict:
    """Return the model's loss and the generator's own entropy on whole documents, in nats per token after BOS."""
    lost, floor, n_tokens = 0.0, 0.0, 0
    for document in documents:
        ids = torch.tensor([[bos_id, *encode(document.text)]])
        logits = model(input_ids=ids.to(model.device), use_cache=False).logits[0, :-1].float().cpu()
        lost += float(cross_entropy(logits, ids[0, 1:], reduction="sum"))
        floor += document.nll_nats
        n_tokens += ids.shape[1] - 1
    return {
        "loss_nats": lost / n_tokens,
        "floor_nats": floor / n_tokens,
        "excess_nats": (lost - floor) / n_tokens,
        "n_tokens": n_tokens,
        "n_documents": len(documents),
    }
