"""Edits of heads' components written into the weights of a copy: the model itself then is another one.

The copy does in every pass, and wherever it is saved to, what `edit_components` does at all positions.
"""

from collections.abc import Sequence

import torch

from mechlab.core.errors import UsageError
from mechlab.interventions.component_edit import ComponentEdit, refuse_foreign_edits
from mechlab.models.architectures.layout import Block, linear_weight
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.weight_copy import module_copy, own_bias


@torch.no_grad()
def with_components(model: LanguageModel, edits: Sequence[ComponentEdit]) -> HuggingFaceModel:
    """Return a copy whose weights have the components edited; its `.processing` counts the edits.

    Args:
        model: with norms folded into the weights, as the directions were found (`processed`).
        edits: which components.

    Raises:
        UsageError: the model is not Hugging Face's, its norms are not folded, an edit or reading is open, or an edit is
            not of this model's heads.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519), which sets components to zero.
    """
    refuse_foreign_edits(model, edits)
    if not isinstance(model, HuggingFaceModel) or "fold_norm" not in model.processing:
        remedy = "Pass the copy that processed(model) gives."
        raise UsageError("components are edited where norms are folded", value=model.name, remedy=remedy)
    record = (*model.processing, f"components edited: {len(edits)}")
    own = HuggingFaceModel(module_copy(model), model.tokenizer, model.name, record)
    for edit in edits:
        block = own.layout.blocks[edit.layer]
        (_write if edit.circuit == "ov" else _look)(block, edit)
    return own


def _write(block: Block, edit: ComponentEdit) -> None:
    along = edit.direction.double().to(linear_weight(block.o).device)
    matrix = linear_weight(block.o).unflatten(0, (block.q.n_heads, block.q.d_head))[edit.head]
    matrix.copy_(matrix.double() + (edit.factor - 1) * torch.outer(matrix.double() @ along, along))
    if edit.constant:
        bias = own_bias(block.o)
        bias.copy_(bias.double() + edit.constant * along)


def _look(block: Block, edit: ComponentEdit) -> None:
    matrix = block.q.weight()[edit.head]
    along = edit.direction.double().to(matrix.device)
    seen = along @ matrix.double()
    matrix.copy_(matrix.double() + (edit.factor - 1) * torch.outer(along, seen))
    if edit.constant:
        own_bias(block.q.module)
        bias = block.q.bias()[edit.head]
        bias.copy_(bias.double() + edit.constant * seen)
