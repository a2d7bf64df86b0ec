"""A model whose site holds planted causes, labelled tokens to find them in, and the dictionary that knows them.

Every token id is one cause; the site is that cause's direction plus what the previous token left behind. The known
dictionary has one feature per cause, so it must recover every label, whatever controls score.
"""

import torch
from oracles.toy_model import BOS, D_MODEL, D_VOCAB, ToyModel

from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary

N_VALUES = 4


def labelled_rows(n_rows: int = 80, pos: int = 25, seed: int = 0) -> TokenRows:
    """Return random rows opened by a special token, labelled by token id: `colour` for some, `shape` for others."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, D_VOCAB, (n_rows, pos), generator=draw).int()
    tokens[:, 0] = BOS
    labels = {
        "colour": torch.where((tokens >= 1) & (tokens <= N_VALUES), tokens - 1, -1).to(torch.int8),
        "shape": torch.where((tokens > 10) & (tokens <= 12), tokens - 11, -1).to(torch.int8),
    }
    names = {"colour": ("red", "green", "blue", "grey"), "shape": ("round", "square", "never")}
    return TokenRows(tokens, tokens == BOS, "planted", labels, names)


def knowing_dictionary(model: ToyModel) -> TopKDictionary:
    """Return the dictionary whose feature `i` points at token `i`."""
    dictionary = TopKDictionary(
        TopKConfig(d_in=D_MODEL, d_sae=D_VOCAB, k=1, apply_b_dec_to_input=False, rescale_acts_by_decoder_norm=False)
    )
    unit = model.embedding / model.embedding.norm(dim=1, keepdim=True)
    with torch.no_grad():
        dictionary.encoder.copy_(unit)
        dictionary.W_dec.copy_(unit)
    return dictionary
