"""What a model with codebooks is worth on held-out text: its loss beside that of the model it was, its codes' use."""

from mechlab.core.estimate import Estimate
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.code_use import code_use
from mechlab.metrics.next_token import RowLosses, loss_per_token, row_losses, times_as_much

Metrics = dict[str, Estimate | int | float | None]


def losses_before(model: CodebookModel, rows: TokenRows) -> dict[str, RowLosses]:
    """Return each row's loss before training: of the model without codebooks, and with codes drawn at random."""
    with model.without_codebooks():
        plain = row_losses(model, rows)
    return {"unmodified": plain, "untrained": row_losses(model, rows)}


def judged(model: CodebookModel, rows: TokenRows, controls: dict[str, RowLosses], seed: int) -> Metrics:
    """Return loss with codebooks, that of the controls, and how many times it is the unmodified model's.

    With a control `finetuned`, trained alike without codebooks, also how many times it is that one's.
    """
    now = row_losses(model, rows)
    found: Metrics = {
        "ce_loss": loss_per_token(now, seed),
        "ce_loss_ratio": times_as_much(now, controls["unmodified"], seed),
    }
    if "finetuned" in controls:
        found["ce_loss_ratio_finetuned"] = times_as_much(now, controls["finetuned"], seed)
    found |= {f"{name}.ce_loss": loss_per_token(losses, seed) for name, losses in controls.items()}
    return {**found, "n_tokens": int(now[:, 1].sum())}


def use_of_codes(index: CodeIndex) -> Metrics:
    """Return, for each site, the share of codes that are used at all and the perplexity of their use."""
    found: Metrics = {}
    for use in code_use(index):
        if use.group is None:
            found |= {f"alive_share.{use.site}": use.alive_share, f"perplexity.{use.site}": use.perplexity}
    return found
