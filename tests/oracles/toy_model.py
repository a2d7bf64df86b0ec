"""A model of one matrix product: the site is the embedding, the text is drawn from the model itself.

Nothing predicts its text better than it does, so whatever replaces the activation by something else must cost loss.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from torch import Tensor

from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site
from mechlab.models.spec import ModelSpec

D_MODEL, D_VOCAB, BOS = 8, 24, 0
SITE = "resid_post.0"


class ToyModel(LanguageModel):
    """Embedding, one editable site, unembedding."""

    device = torch.device("cpu")
    dtype = torch.float32
    fingerprint = "toy"

    def __init__(self, seed: int = 0, offset: float = 0.0) -> None:
        spec = ModelSpec(
            architecture="toy", n_layers=1, d_model=D_MODEL, n_heads=1, n_kv_heads=1, d_head=D_MODEL, d_mlp=0,
            d_vocab=D_VOCAB, n_ctx=512, normalization="none",
        )  # fmt: skip
        super().__init__("toy", spec, None)
        draw = torch.Generator().manual_seed(seed)
        self.embedding = torch.randn(D_VOCAB, D_MODEL, generator=draw) + offset
        self.unembedding = torch.randn(D_MODEL, D_VOCAB, generator=draw)
        self.edits: list[Callable[[Tensor], Tensor]] = []
        self.reads: list[dict[str, Tensor]] = []

    def logits(self, tokens: Tensor) -> Tensor:
        activation = self.embedding[tokens.long()]
        for edit in self.edits:
            activation = edit(activation)
        for read in self.reads:
            read[SITE] = activation
        return activation @ self.unembedding

    def activations(self, tokens: Tensor, sites: Sequence[str | Site]) -> dict[str, Tensor]:
        return {SITE: self.embedding[tokens.long()]}

    @contextmanager
    def read(self, *sites: str | Site) -> Iterator[dict[str, Tensor]]:
        self.reads.append({})
        yield self.reads[-1]
        self.reads.pop()

    @contextmanager
    def edit(self, edits: Mapping[str | Site, Callable[[Tensor], Tensor]]) -> Iterator[None]:
        assert set(map(str, edits)) == {SITE}
        self.edits += edits.values()
        try:
            yield
        finally:
            del self.edits[-len(edits) :]

    def stepper(self, n_rows, *, use_cache):
        return lambda unseen: self.logits(unseen)[:, -1]

    def weights(self):
        return SimpleNamespace(W_U=self.unembedding, ln_final_w=torch.ones(D_MODEL))


def toy_rows(model: ToyModel, n_rows: int = 64, pos: int = 33, seed: int = 0) -> TokenRows:
    """Return rows drawn from the model, each opened by a special token it never draws."""
    draw = torch.Generator().manual_seed(seed)
    probabilities = (model.embedding @ model.unembedding).index_fill(1, torch.tensor([BOS]), -1e9).softmax(-1)
    tokens = torch.zeros(n_rows, 1, dtype=torch.long)
    for _ in range(pos - 1):
        tokens = torch.cat([tokens, torch.multinomial(probabilities[tokens[:, -1]], 1, generator=draw)], dim=1)
    return TokenRows(tokens.int(), tokens == BOS, "toy")
