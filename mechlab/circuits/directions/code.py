"""The direction of a code of a codebook: what it adds where it stands in one slot."""

from typing import ClassVar

import torch
from pydantic import NonNegativeInt

from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.material import Material
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.dictionaries.codebook import NO_CODE
from mechlab.interventions.codebook_model import CodebookModel


class CodeDirection(Config):
    """A code of the codebook at the material's site, by its number among all of that codebook."""

    kind: ClassVar[str] = "code"

    code: NonNegativeInt

    @torch.no_grad()
    def find(self, material: Material) -> Direction:
        """Return the code's direction, zero outside its group; its natural length is what one slot adds.

        Raises:
            UsageError: the model has no codebook at the site, or there is no such code.
        """
        if not isinstance(material.model, CodebookModel):
            raise UsageError("model has no codebooks", value=material.model.name, remedy="Pass a CodebookModel.")
        book = material.model.codebook_at(material.need("site"))
        config = book.config
        if self.code >= config.n_all:
            raise UsageError("no such code", value=self.code, remedy=f"Codes are 0..{config.n_all - 1}.")
        site = material.place(config.d_in, "codebook")
        ids = torch.full((1, config.n_groups, config.k), NO_CODE, device=book.codes.device)
        ids[0, self.code // config.n_codes, 0] = self.code
        name, details = f"code {self.code} at {site}", {"code": self.code}
        return directed(material.model, site, book.decode(ids)[0], self.kind, name, details=details)
