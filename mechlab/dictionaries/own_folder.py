"""A kind that SAELens has no class for, in SAELens's folder under its own name."""

from typing import Any

from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary


class OwnFolder(Dictionary[Any]):
    """Saved with its parameters and buffers as they are; put it before the plain kind among the base classes."""

    def to_saelens(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the kind's own architecture, and every tensor."""
        buffers = {name: buffer.detach().clone() for name, buffer in self.named_buffers()}
        return {"architecture": self.saelens_architectures[0]}, {**self.saelens_tensors(), **buffers}
