"""What a model is, in numbers: the spec that sites, weights and `mechlab models` read."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from mechlab.core.config import Config


class ModelSpec(Config):
    """Sizes and shape of one decoder-only transformer.

    Attributes:
        architecture: Hugging Face's `model_type`, the key in ARCHITECTURES.
        n_kv_heads: heads of keys and values; fewer than `n_heads` under grouped-query attention.
        d_mlp: 0 for an attention-only model.
        n_ctx: longest row, in tokens.
        normalization: centred and scaled (LN), scaled only (RMS), or none.
        positional: position embeddings added at the start, or queries and keys rotated.
        parallel: attention and MLP both read the block's input, so there is no `resid_mid`.
        post_norms: attention and MLP outputs are normalized again before they join the residual stream.
        qk_norm: each head's query and key is normalized before the rotation.
        n_params: parameters, tied ones counted once.
    """

    architecture: str
    n_layers: PositiveInt
    d_model: PositiveInt
    n_heads: PositiveInt
    n_kv_heads: PositiveInt
    d_head: PositiveInt
    d_mlp: NonNegativeInt
    d_vocab: PositiveInt
    n_ctx: PositiveInt
    n_params: NonNegativeInt = 0
    normalization: Literal["LN", "RMS", "none"] = "LN"
    positional: Literal["learned", "rotary", "none"] = "learned"
    activation: str = Field(default="", description="The MLP's nonlinearity, by its Hugging Face name.")
    gated_mlp: bool = False
    parallel: bool = False
    post_norms: bool = False
    qk_norm: bool = False

    def __hash__(self) -> int:
        """Return a quick hash: specs key the address book."""
        return hash((self.architecture, self.n_layers, self.n_heads, self.d_model))
