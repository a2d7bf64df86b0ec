"""A batch of rows before any dictionary: what is at the sites, and the passes that all dictionaries share."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from mechlab.interventions.in_turn import LayeredCodec, splice_in_turn
from mechlab.interventions.replace import replace
from mechlab.interventions.splice import Codec
from mechlab.metrics.metric import Batch
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.models.sites import Site


@dataclass(frozen=True, eq=False)
class Reference:
    """What dictionaries of one route are held against on the same rows.

    The clean pass is run before it is made; the losses of an ablated pass are kept from the first time they are asked
    for, its logits are not: of a large vocabulary those of one pass are gigabytes.

    Attributes:
        clean: next-token log-probabilities with nothing replaced.
        mean: what mean ablation puts at the sites rebuilt.
        widths: of each site rebuilt, by name.
    """

    model: LanguageModel
    route: Route
    tokens: Int[Tensor, "batch pos"]
    scored: Bool[Tensor, "batch pos"]
    inputs: Float[Tensor, "batch pos d_in"]
    targets: Float[Tensor, "batch pos d_out"]
    clean: Float[Tensor, "batch predictions d_vocab"]
    mean: Float[Tensor, "d_out"]
    widths: Mapping[str, int]
    _losses: dict[str, Float64[Tensor, "batch predictions"]] = field(default_factory=dict)

    def losses(self, name: str) -> Float64[Tensor, "batch predictions"]:
        """Return each prediction's loss in a pass without a dictionary: `clean`, `zero`, `mean`, or `zero.SITE`."""
        if name not in self._losses:
            self._losses[name] = next_token_losses(self.log_probs(name), self.tokens)
        return self._losses[name]

    def log_probs(self, name: str) -> Float[Tensor, "batch predictions d_vocab"]:
        """Return the log-probabilities of such a pass; but for the clean one it is run anew."""
        what, _, site = name.partition(".")
        if what == "clean":
            return self.clean
        ablated = {"zero": torch.zeros_like(self.targets), "mean": self.mean.to(self.targets).expand_as(self.targets)}
        return self.with_instead(ablated[what], site)

    @torch.no_grad()
    def with_instead(
        self, instead: Float[Tensor, "batch pos d_out"], site: str = ""
    ) -> Float[Tensor, "batch predictions d_vocab"]:
        """Return the log-probabilities with other vectors at all sites rebuilt, or at one of them alone."""
        parts = instead.split(list(self.widths.values()), dim=-1)
        new = {one: part for one, part in zip(self.route.rebuilt, parts, strict=True) if site in ("", str(one))}
        with _in_place(self.model, new, untouched=~self.scored):
            return next_token_log_probs(self.model.logits(self.tokens))

    @torch.no_grad()
    def replaced_in_turn(self, dictionary: LayeredCodec) -> Float[Tensor, "batch predictions d_vocab"]:
        """Return the log-probabilities with every layer rebuilt from what the layers rebuilt before it have left."""
        with splice_in_turn(self.model, dictionary, self.route, untouched=~self.scored):
            return next_token_log_probs(self.model.logits(self.tokens))


@torch.no_grad()
def reconstructed(reference: Reference, dictionary: Codec) -> Batch:
    """Return what a dictionary makes of a batch: codes, reconstructions, and the passes with them in place.

    Several sites are replaced in one pass. A cross-layer transcoder's codes are computed in that pass, layer by layer,
    from inputs that the replaced layers before have already changed; attention and norms are the pass's own (Ameisen et
    al. 2025, "Circuit Tracing", the replacement model without error nodes). Of any other dictionary, which has to see
    all its inputs before it can rebuild the first target, they are those of the clean pass, as they are where one site
    alone is replaced. `codes` and `outputs` are always those of the clean pass.
    """
    codes = dictionary.encode(reference.inputs)
    outputs = dictionary.rebuild(reference.inputs, codes)

    def log_probs(name: str) -> Float[Tensor, "batch predictions d_vocab"]:
        what, _, site = name.partition(".")
        if what != "spliced":
            return reference.log_probs(name)
        if not site and isinstance(dictionary, LayeredCodec):
            return reference.replaced_in_turn(dictionary)
        return reference.with_instead(outputs, site)

    def losses(name: str) -> Float64[Tensor, "batch predictions"]:
        if name.partition(".")[0] != "spliced":
            return reference.losses(name)
        return next_token_losses(log_probs(name), reference.tokens)

    several = reference.widths if len(reference.widths) > 1 else {}
    given = (reference.tokens, reference.scored, reference.inputs, reference.targets)
    return Batch(*given, codes, outputs, log_probs, losses, several)


def next_token_log_probs(logits: Float[Tensor, "batch pos d_vocab"]) -> Float[Tensor, "batch predictions d_vocab"]:
    """Return the log-probabilities of every position's next token, the last position's left out."""
    return logits[:, :-1].float().log_softmax(-1)


def next_token_losses(
    log_probs: Float[Tensor, "batch predictions d_vocab"], tokens: Int[Tensor, "batch pos"]
) -> Float64[Tensor, "batch predictions"]:
    """Return the cross-entropy of each prediction, in nats, on the CPU."""
    return -log_probs.gather(-1, tokens[:, 1:, None].long())[..., 0].cpu().double()


@contextmanager
def _in_place(
    model: LanguageModel, new: Mapping[Site, Float[Tensor, "batch pos _width"]], untouched: Bool[Tensor, "batch pos"]
) -> Iterator[None]:
    with ExitStack() as edits:
        for site, activation in new.items():
            edits.enter_context(replace(model, site, lambda _, put=activation: put, untouched=untouched))
        yield
