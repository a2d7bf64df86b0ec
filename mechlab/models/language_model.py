"""What we ask of a language model: logits, activations, edits, generation and text, whatever library runs it.

Backends: `huggingface.HuggingFaceModel` (the default) and `transformerlens.wrap`. Both are made by `loaders.load`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.shapes import Logits, Tokens
from mechlab.models.generation import Generators, Seen, Step, chooser, extend
from mechlab.models.sites import Site, all_sites
from mechlab.models.spec import ModelSpec
from mechlab.models.tokenizer import Tokenizer
from mechlab.models.weights import Weights

Edit = Callable[[Tensor], Tensor]


class LanguageModel(ABC):
    """A decoder-only language model that can be read and edited at named sites, and is never itself changed.

    Attributes:
        name: what the user called it.
        processing: weight processing applied to this copy, in order; empty for the model as trained.
        first_position: where in its row the first token of the pass stands; not 0 only in generation with a cache.
        n_prompt: how many tokens of each row are the prompt of the generation under way; None outside of one.
    """

    def __init__(
        self, name: str, spec: ModelSpec, tokenizer: Tokenizer | None, processing: tuple[str, ...] = ()
    ) -> None:
        self.name, self.spec, self.tokenizer, self.processing = name, spec, tokenizer, processing
        self.first_position = 0
        self.n_prompt: int | None = None

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Number type of weights and activations."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of config, weights and tokenizer, computed once."""

    @abstractmethod
    def logits(self, tokens: Tokens) -> Logits:
        """Return next-token logits at every position; autograd is left as the caller has it."""

    @abstractmethod
    def activations(self, tokens: Tokens, sites: Sequence[str | Site]) -> dict[str, Tensor]:
        """Return canonical site name -> activation, stopping the forward pass after the deepest site; no gradients.

        They are copies, except under `torch.inference_mode()`, where they are the model's own tensors.
        """

    @abstractmethod
    def read(self, *sites: str | Site) -> AbstractContextManager[dict[str, Tensor]]:
        """Return a context whose dictionary, by canonical site name, is refilled by every forward pass inside it."""

    @abstractmethod
    def edit(self, edits: Mapping[str | Site, Edit]) -> AbstractContextManager[None]:
        """Return a context in which every forward pass sends these activations through their edits.

        Several edits of one site compose in the order they were opened. In generation with a cache an edit sees the
        new positions only.
        """

    @abstractmethod
    def stepper(self, n_rows: int, *, use_cache: bool) -> Step:
        """Return what gives the logits after the last token it is handed; with a cache it remembers the others.

        Every pass is one that open edits apply to.
        """

    def generate(
        self,
        tokens: Tokens,
        n_tokens: int,
        *,
        temperature: float = 0.0,
        generator: Generators | None = None,
        use_cache: bool = True,
        seen: Seen | None = None,
    ) -> Int[Tensor, "batch pos_and_new"]:
        """Return the prompts followed by `n_tokens` new tokens each; open edits apply to every pass.

        Args:
            tokens: prompts of one length.
            n_tokens: how many to add.
            temperature: 0 takes the most likely token.
            generator: the source of randomness; required above temperature 0. Of several, each draws for an equal
                stretch of the rows, so that rows are what they would be without the others.
            use_cache: keep keys and values of past positions instead of computing them again.
            seen: is told every row's new token as soon as it is chosen, so that text can be shown while it grows.

        Raises:
            UsageError: a number is negative, the rows would outgrow the context, or a draw has no generator of its own.
        """
        if n_tokens < 0:
            raise UsageError("number of new tokens is negative", value=n_tokens)
        prompts, choose = self.checked(tokens, n_tokens), chooser(temperature, generator)
        with torch.inference_mode():
            step = self._placed(self.stepper(len(prompts), use_cache=use_cache), use_cache)
            rows = extend(prompts, n_tokens, step, choose, use_cache=use_cache, seen=seen)
        return rows.clone()

    def _placed(self, step: Step, use_cache: bool) -> Step:
        """Return the step, which keeps `first_position` and `n_prompt` while it runs."""
        n_seen = n_prompt = 0

        def placed(unseen: Tokens) -> Tensor:
            nonlocal n_seen, n_prompt
            n_prompt = n_prompt or unseen.shape[1]
            self.first_position, self.n_prompt = n_seen if use_cache else 0, n_prompt
            n_seen += unseen.shape[1]
            try:
                return step(unseen)
            finally:
                self.first_position, self.n_prompt = 0, None

        return placed

    @abstractmethod
    def weights(self) -> Weights:
        """Return the weights by their TransformerLens names and shapes."""

    def sites(self) -> list[str]:
        """Return the names of every site, in the order of the forward pass; `head.L.H` is one head of `result.L`."""
        return [str(site) for site in all_sites(self.spec)]

    @property
    def bos_id(self) -> int | None:
        """The token that opens a document, if the model has a tokenizer and one exists."""
        return None if self.tokenizer is None else self.tokenizer.bos_id

    @property
    def special_ids(self) -> frozenset[int]:
        """Tokens that stand for no text; none without a tokenizer."""
        return frozenset() if self.tokenizer is None else self.tokenizer.special_ids

    def to_tokens(self, text: str | list[str], bos: bool = True) -> Tokens:
        """Return the tokens of one text or of texts that have equally many.

        Args:
            text: one text or several.
            bos: open each with the beginning-of-document token, if there is one.

        Raises:
            UsageError: the model has no tokenizer, a row would be empty, or the rows differ in length.
        """
        opening = [self.bos_id] if bos and self.bos_id is not None else []
        texts = [text] if isinstance(text, str) else text
        rows = [opening + self._tokenizer().encode_with_offsets(one)[0] for one in texts]
        lengths = sorted({len(row) for row in rows})
        if len(lengths) != 1 or lengths == [0]:
            raise UsageError(
                "texts need equally many tokens, at least one", value=lengths, remedy="Pass them one by one."
            )
        return torch.tensor(rows, device=self.device)

    def to_text(self, tokens: Tokens) -> list[str]:
        """Return the text of each row, special tokens included."""
        return [self._tokenizer().decode(row) for row in tokens.tolist()]

    def token_strings(self, tokens: Int[Tensor, "pos"]) -> list[str]:
        """Return each token of one row as it reads inside a text."""
        return [self._tokenizer().token_string(token) for token in tokens.tolist()]

    def checked(self, tokens: Tensor, n_new: int = 0) -> Tensor:
        """Return the tokens on the model's device.

        Raises:
            UsageError: they are no [batch pos] rows, are outside the vocabulary, or longer than the context.
        """
        if tokens.ndim != 2 or tokens.numel() == 0 or tokens.is_floating_point():
            shape = f"{list(tokens.shape)} {tokens.dtype}"
            raise UsageError("tokens are not rows of integers [batch, pos]", value=shape, remedy="Use to_tokens(text).")
        low, high = (int(bound) for bound in torch.aminmax(tokens))
        if low < 0 or high >= self.spec.d_vocab:
            remedy = f"{self.name} knows tokens 0..{self.spec.d_vocab - 1}."
            raise UsageError("token outside the vocabulary", value=low if low < 0 else high, remedy=remedy)
        if tokens.shape[1] + n_new > self.spec.n_ctx:
            remedy = f"{self.name} reads at most {self.spec.n_ctx} tokens a row."
            raise UsageError("row longer than the model's context", value=tokens.shape[1] + n_new, remedy=remedy)
        return tokens.to(self.device)

    def _tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            remedy = "Put tokenizer.json beside config.json, or work with token ids."
            raise UsageError("model has no tokenizer", value=self.name, remedy=remedy)
        return self.tokenizer
