"""A language model whose activations pass through codebooks: at each of their sites only codes go on.

1. Every pass snaps the activation at each site to its codes, before anything else is read or edited there.
2. What is read at such a site, and what edits see, is what goes on.
3. Codes may be exchanged before they are decoded (`edit_codes`), in forward passes and while text is generated.
4. Each position is snapped by itself, so that generation with a cache gives what recomputing everything would.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.core.config import digest
from mechlab.core.errors import UsageError
from mechlab.core.shapes import Logits, Tokens
from mechlab.dictionaries.codebook import NO_CODE, Codebook, Snapped
from mechlab.models.fingerprint import digest_of_tensors
from mechlab.models.generation import Step
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import Edit, LanguageModel
from mechlab.models.sites import Site, all_sites
from mechlab.models.weights import Weights

CodeEdit = Callable[[Int[Tensor, "batch pos n_groups k"]], Int[Tensor, "batch pos n_groups k"]]


class CodebookModel(LanguageModel):
    """A model and its codebooks, by site; a language model like any other.

    The model given is taken over: it snaps as long as this object lives, but where `codebooks_at` says otherwise.

    Attributes:
        model: what is snapped.
        codebooks: by canonical site name, in the order of the forward pass.
    """

    def __init__(self, model: LanguageModel, codebooks: Mapping[str, Codebook]) -> None:
        super().__init__(model.name, model.spec, model.tokenizer, model.processing)
        self.model = model
        named = {Site.parse(site, model.spec): codebook for site, codebook in codebooks.items()}
        self.codebooks = {str(site): named[site] for site in sorted(named, key=all_sites(model.spec).index)}
        self._on = set(self.codebooks)
        self._code_edits: dict[str, list[CodeEdit]] = {site: [] for site in self.codebooks}
        self._watchers: list[Callable[[str, Snapped], None]] = []
        self._opened = ExitStack()
        self._opened.enter_context(model.edit({site: self._snapping(site) for site in self.codebooks}))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of weights and activations."""
        return self.model.dtype

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the model's and the codebooks'."""
        books = {site: [book.config, digest_of_tensors(book.state_dict())] for site, book in self.codebooks.items()}
        return digest({"model": self.model.fingerprint, "codebooks": books})

    def logits(self, tokens: Tokens) -> Logits:
        """Return next-token logits at every position; autograd is left as the caller has it."""
        return self.model.logits(tokens)

    def activations(self, tokens: Tokens, sites: Sequence[str | Site]) -> dict[str, Tensor]:
        """Return canonical site name -> activation, snapped where there is a codebook; no gradients."""
        return self.model.activations(tokens, sites)

    def read(self, *sites: str | Site) -> AbstractContextManager[dict[str, Tensor]]:
        """Return a context whose dictionary is refilled by every forward pass inside it."""
        return self.model.read(*sites)

    def edit(self, edits: Mapping[str | Site, Edit]) -> AbstractContextManager[None]:
        """Return a context in which these activations go through their edits, behind the codebooks."""
        return self.model.edit(edits)

    def stepper(self, n_rows: int, *, use_cache: bool) -> Step:
        """Return what gives the logits after the last token it is handed; with a cache it remembers the others."""
        return self.model.stepper(n_rows, use_cache=use_cache)

    def weights(self) -> Weights:
        """Return the model's weights by their TransformerLens names and shapes."""
        return self.model.weights()

    def weights_to_train(self) -> dict[str, torch.nn.Parameter]:
        """Return the model's own weights by name, codebooks left out.

        Raises:
            UsageError: the model's backend does not show them.
        """
        if not isinstance(self.model, HuggingFaceModel):
            raise UsageError("only a Hugging Face model can be trained further", value=type(self.model).__name__)
        return dict(self.model.module.named_parameters())

    def codes(self, tokens: Tokens) -> dict[str, Int[Tensor, "batch pos n_groups k"]]:
        """Return the codes that stand at each site, the most similar first; `NO_CODE` where a slot is empty."""
        found: dict[str, Tensor] = {}
        with torch.inference_mode(), self.watching(lambda site, snapped: found.__setitem__(site, snapped.ids)):
            self.model.activations(tokens, list(self.codebooks))
        return found

    @contextmanager
    def watching(self, look: Callable[[str, Snapped], None]) -> Iterator[None]:
        """Show every snap of every pass inside the context, by site."""
        self._watchers.append(look)
        try:
            yield
        finally:
            self._watchers.remove(look)

    @contextmanager
    def edit_codes(self, edits: Mapping[str | Site, CodeEdit]) -> Iterator[None]:
        """Let every pass inside the context decode what an edit makes of the codes at its site.

        Edits of one site compose in the order they were opened. In generation with a cache an edit sees the new
        positions only.

        Raises:
            UsageError: there is no codebook at a site.
        """
        named = [(self._site(site), edit) for site, edit in edits.items()]
        for site, edit in named:
            self._code_edits[site].append(edit)
        try:
            yield
        finally:
            for site, edit in named:
                self._code_edits[site].remove(edit)

    @contextmanager
    def codebooks_at(self, sites: Collection[str | Site]) -> Iterator[None]:
        """Let passes inside the context run as if there were codebooks at these sites only.

        Raises:
            UsageError: there is no codebook at a site.
        """
        before, self._on = self._on, {self._site(site) for site in sites}
        try:
            yield
        finally:
            self._on = before

    def without_codebooks(self) -> AbstractContextManager[None]:
        """Let passes inside the context run as if there were no codebooks."""
        return self.codebooks_at(())

    def codebook_at(self, site: str | Site) -> Codebook:
        """Return the codebook of a site.

        Raises:
            UsageError: there is none.
        """
        return self.codebooks[self._site(site)]

    def _site(self, site: str | Site) -> str:
        name = str(Site.parse(site, self.spec))
        if name not in self.codebooks:
            remedy = f"There are codebooks at {', '.join(self.codebooks)}."
            raise UsageError("no codebook at this site", value=name, remedy=remedy)
        return name

    def _snapping(self, site: str) -> Edit:
        codebook, edits = self.codebooks[site], self._code_edits[site]

        def snap(activation: Tensor) -> Tensor:
            if site not in self._on:
                return activation
            x = activation.flatten(2)
            _refuse_other_width(site, x.shape[-1], codebook.config.d_in)
            snapped = codebook.snap(x)
            for edit in edits:
                snapped = snapped._replace(ids=checked(edit(snapped.ids.clone()), snapped.ids, codebook, site))
            if edits:
                snapped = snapped._replace(output=codebook.decode(snapped.ids))
            for look in self._watchers:
                look(site, snapped)
            return snapped.output.to(activation.dtype).view(activation.shape)

        return snap


def checked(ids: Tensor, like: Tensor, codebook: Codebook, site: str) -> Tensor:
    """Return what an edit of codes returned.

    Raises:
        UsageError: it has another shape, or a code that is not of the codebook.
    """
    if ids.shape != like.shape or ids.is_floating_point():
        value = f"{list(ids.shape)} {ids.dtype}"
        remedy = f"Return whole numbers of shape {list(like.shape)}."
        raise UsageError(f"edit of codes at {site} does not return codes", value=value, remedy=remedy)
    low, high = (int(bound) for bound in torch.aminmax(ids))
    n_all = codebook.config.n_all
    if low < NO_CODE or high >= n_all:
        remedy = f"Codes are 0..{n_all - 1}; {NO_CODE} leaves a slot empty."
        raise UsageError(f"no such code at {site}", value=low if low < NO_CODE else high, remedy=remedy)
    return ids


def _refuse_other_width(site: str, found: int, wanted: int) -> None:
    if found != wanted:
        remedy = f"{site} has width {found}."
        raise UsageError("codebook does not fit the site", value=wanted, remedy=remedy)
