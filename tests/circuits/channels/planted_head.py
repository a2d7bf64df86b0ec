"""A model with a head that writes a known direction where one of some marked tokens stands, and random text."""

import torch
import transformers as hf
from torch import Tensor

from mechlab.corpora.rows import TokenRows
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed

D_MODEL, D_HEAD, N_POS, D_VOCAB = 64, 16, 16, 400
HEAD = (0, 1)
MARK = N_POS  # the dimension of embeddings that holds nothing but the mark
MARKED = torch.arange(0, D_VOCAB, 4)


def planted_model() -> tuple[HuggingFaceModel, Tensor]:
    """Return the model, processed, and the direction its planted head writes.

    The head looks at its own position (positions are dimensions of their own). One of its 16 coordinates reads the
    mark and writes the direction; the others move other parts of the embedding, more strongly.
    """
    draw = torch.Generator().manual_seed(0)
    config = hf.GPT2Config(
        vocab_size=D_VOCAB, n_positions=N_POS, n_embd=D_MODEL, n_layer=2, n_head=D_MODEL // D_HEAD, n_inner=8
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = hf.GPT2LMHeadModel(config).eval().requires_grad_(False)
    inner, block = model.transformer, model.transformer.h[0]
    inner.wpe.weight.zero_().fill_diagonal_(6.0)
    inner.wte.weight.zero_()[:, MARK + 1 :] = torch.randn(D_VOCAB, D_MODEL - MARK - 1, generator=draw)
    inner.wte.weight[MARKED, MARK] = 3.0
    writes = torch.linalg.qr(torch.randn(D_MODEL, D_HEAD, generator=draw))[0].T
    writes = torch.linalg.qr((writes - writes.mean(1, keepdim=True)).T)[0].T
    q, k, v = block.attn.c_attn.weight.split(D_MODEL, 1)
    own = slice(HEAD[1] * D_HEAD, (HEAD[1] + 1) * D_HEAD)
    for part in (q, k):
        part[:, own].zero_()[:N_POS] = 4 * torch.eye(N_POS, D_HEAD)
    v[:, own].zero_()[MARK, 0] = 1.0
    v[MARK + 1 :, own][:, 1:] = 2 * torch.randn(D_MODEL - MARK - 1, D_HEAD - 1, generator=draw)
    block.attn.c_proj.weight[own] = writes
    return processed(HuggingFaceModel(model)), writes[0].double()


def planted_rows(n_rows: int = 300) -> TokenRows:
    """Return rows of random tokens, labelled where a marked one stands; every row's first token is special."""
    tokens = torch.randint(1, D_VOCAB, (n_rows, N_POS), generator=torch.Generator().manual_seed(1)).int()
    special = torch.zeros_like(tokens, dtype=torch.bool)
    special[:, 0] = True
    other = torch.randint(0, 2, tokens.shape, generator=torch.Generator().manual_seed(2))
    labels = {"mark": torch.where(torch.isin(tokens, MARKED), 0, -1), "coin": other}
    labels = {name: values.masked_fill(special, -1).to(torch.int8) for name, values in labels.items()}
    return TokenRows(tokens, special, "planted", labels, {"mark": ("there",), "coin": ("heads", "tails")})
