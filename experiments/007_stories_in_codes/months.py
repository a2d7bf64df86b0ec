"""Why no code tells a month behind the embedding, and that one does where words are still themselves.

1. Stories name their time by a month or by their season's name, drawn alike, and nothing later depends on which. So a
   season's four words are parted from other seasons', and what parts them from each other has no use. At a few sites:
   the variance between seasons, between words of a season, and between the uses of a word; the second also where the
   words of a season are shuffled.
2. The codes of the trained model for a season's four words, and for one month.
3. The code of a month in a codebook on the embedding, with one code for a vector, put there by k-means and not trained.
"""

from typing import Any

import torch
from steering import plain_estimate
from told import Halves, best_code, measured
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tales.lexicon import MONTHS, SEASONS
from mechlab.corpora.tasks.single_tokens import single_tokens
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.codebook_start import new_codebooks, start_codebooks
from mechlab.metrics.causes import Cause
from mechlab.metrics.next_token import row_losses, times_as_much
from mechlab.models.language_model import LanguageModel

SITES = ("embed", "mlp_out.0", "resid_post.0", "resid_post.3")
OF_EMBEDDING = {"n_codes": 2000, "k": 1, "normalise": False}
N_START_ROWS = 170
TIMES = tuple((one.name, *one.months) for one in SEASONS)
N_WORDS = len(TIMES[0])


def of_months(
    halves: Halves, judge: LanguageModel, fresh: LanguageModel, start_rows: TokenRows, seed: int
) -> dict[str, Any]:
    """Return what a model makes of months, and how well codes tell them.

    Args:
        halves: held-out rows, with the codes of the trained model.
        judge: the model before there were codebooks.
        fresh: the same once more; it is taken over by a codebook on its embedding.
        start_rows: text by which that codebook's codes are placed.
        seed: of chance.
    """
    times, months = {f"time of {words[0]}": words for words in TIMES}, {month: (month,) for month in MONTHS}
    on_embedding = CodebookModel(fresh, new_codebooks(fresh, "embed", OF_EMBEDDING, seed))
    start_codebooks(on_embedding, start_rows.tokens[:N_START_ROWS].long(), seed=seed)
    there = halves.rows[1]
    cost = times_as_much(row_losses(on_embedding, there), row_losses(judge, there))
    return {
        "variance": parted(judge, there, seed),
        "trained codes": codes_of(halves, judge, {**times, **months}),
        "codes of the embedding": codes_of(halves.read_by(on_embedding), judge, months),
        "loss_times_with_embedding_codes": plain_estimate(cost),
    }


def codes_of(halves: Halves, judge: LanguageModel, about: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return for each class of words the code chosen on the first half, and what it is worth on the second."""
    (rows, there), (index, judged) = halves.rows, halves.indexes
    found = {}
    for name, words in about.items():
        match, mask = best_code(index, said(words, rows, judge)), said(words, there, judge)
        found[name] = {"n": int(mask.sum()), "site": match.site, **measured(judged, match, mask, {})}
    return found


def said(words: tuple[str, ...], rows: TokenRows, judge: LanguageModel) -> Cause:
    """Return the scored tokens that are one of these words."""
    tokens = single_tokens(judge.tokenizer, words)
    return torch.isin(rows.tokens[~rows.special].long(), torch.tensor(list(tokens.values())))


@torch.no_grad()
def parted(model: LanguageModel, rows: TokenRows, seed: int) -> dict[str, dict[str, float]]:
    """Return the variance of activations at words of time, by site: between seasons, a season's words, and uses."""
    known = torch.stack([said((word,), rows, model) for words in TIMES for word in words])
    here = known.any(0)
    word = known[:, here].int().argmax(0)
    drawn = shuffled_in_seasons(word, seed)
    found = {}
    for site, all_vectors in model.activations(rows.tokens.long(), SITES).items():
        vectors = all_vectors[~rows.special][here].double()
        parts = dict(zip(("seasons", "words", "uses"), variances(vectors, word), strict=True))
        parts["words, shuffled"] = variances(vectors, drawn)[1]
        found[site] = {name: round(part, 4) for name, part in parts.items()}
    return found


def variances(vectors: Tensor, word: Tensor) -> tuple[float, float, float]:
    """Return the mean squared distance of seasons to their mean, words to their season's, uses to their word's."""
    means = torch.stack([vectors[word == one].mean(0) for one in range(len(TIMES) * N_WORDS)])
    seasons = means.unflatten(0, (len(TIMES), N_WORDS))
    centres = seasons.mean(1)
    uses = torch.stack([(vectors[word == one] - mean).square().sum(-1).mean() for one, mean in enumerate(means)])
    between = (centres - centres.mean(0)).square().sum(-1).mean()
    return float(between), float((seasons - centres[:, None]).square().sum(-1).mean()), float(uses.mean())


def shuffled_in_seasons(word: Tensor, seed: int) -> Tensor:
    """Return the words with those of each season exchanged among its places."""
    draw, found = torch_generator(seed, "words of a season"), word.clone()
    for season in range(len(TIMES)):
        places = (word // N_WORDS == season).nonzero().squeeze(1)
        found[places] = word[places[torch.randperm(len(places), generator=draw)]]
    return found
