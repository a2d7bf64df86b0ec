"""Shapes everyone speaks of, in one vocabulary of axes; the tests execute them."""

from jaxtyping import Float, Int
from torch import Tensor

Tokens = Int[Tensor, "batch pos"]
Logits = Float[Tensor, "batch pos d_vocab"]
Inputs = Float[Tensor, "batch d_in"]
Targets = Float[Tensor, "batch d_out"]
Codes = Float[Tensor, "batch d_sae"]
