"""A steered text as it is written: shown word by word, with every byte that could move a terminal taken out."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from mechlab.core.progress import Progress
from mechlab.core.randomness import torch_generator
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.steering.subject import Steered

INCOMPLETE = "\ufffd"


@runtime_checkable
class Speller(Protocol):
    """Whatever turns tokens into text."""

    @property
    def special_ids(self) -> frozenset[int]:
        """Tokens that stand for no text."""
        ...

    def to_text(self, tokens: Tensor) -> list[str]:
        """Return the text of each row."""
        ...


def written_at_once(config: SteerOptions, steered: Steered, progress: Progress) -> Outcome:
    """Return the steered text, which was shown while it grew."""
    model = steered.model
    prompt = model.to_tokens(config.prompt)
    generator = torch_generator(config.seed, "generation", model.device) if config.temperature > 0 else None
    shown = Shown(model, progress, prompt[0].tolist())
    with steer_by(model, steered.spec, steered.sources):
        rows = model.generate(
            prompt, config.tokens, temperature=config.temperature, generator=generator, seen=shown.add
        )
    shown.end()
    text = continued(model, rows[0], prompt.shape[1])
    spec = steered.spec.model_dump(mode="json")
    return Outcome({"prompt": config.prompt, "text": text, "steered_by": steered.name, "spec": spec})


class Shown:
    """What of a growing text is shown already; a token that ends inside a character waits for the next."""

    def __init__(self, model: Speller, progress: Progress, prompt: list[int]) -> None:
        self._model, self._progress, self._tokens, self._text = model, progress, prompt, ""
        self._show(text_of(model, torch.tensor(prompt)))

    def add(self, chosen: Tensor) -> None:
        """Show what a new token adds."""
        self._tokens.append(int(chosen[0, 0]))
        text = text_of(self._model, torch.tensor(self._tokens))
        if not text.endswith(INCOMPLETE):
            self._show(text)

    def end(self) -> None:
        """Show what is left, and end the line."""
        self._show(text_of(self._model, torch.tensor(self._tokens)))
        self._progress.stream("\n")

    def _show(self, text: str) -> None:
        more = text[len(self._text) :] if text.startswith(self._text) else f"\n{text}"
        if more:
            self._progress.stream(printable(more))
        self._text = text


def continued(model: Speller, row: Tensor, n_prompt: int) -> str:
    """Return what a row says behind its prompt, the space between the two included."""
    return text_of(model, row)[len(text_of(model, row[:n_prompt])) :]


def text_of(model: Speller, tokens: Tensor) -> str:
    """Return a text without its special tokens."""
    kept = [token for token in tokens.tolist() if token not in model.special_ids]
    return model.to_text(torch.tensor([kept]))[0] if kept else ""


def printable(text: str) -> str:
    """Return a text in which whatever could move a terminal's cursor or change its colours is a replacement mark."""
    return "".join(sign if sign in "\n\t" or sign.isprintable() else INCOMPLETE for sign in text)
