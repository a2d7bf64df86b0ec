"""Steer with one feature of a dictionary: the beginnings of held-out texts, continued without and with it.

A random direction of the same norm and strength stands beside it.

The feature is the one whose strongest activation moves a next-token logit most; it is added at that activation.
"""

import json
from dataclasses import dataclass

import torch
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.interventions.steering.generated_pair import GeneratedPair, generate_pair
from mechlab.interventions.steering.steer import steer
from mechlab.metrics.portraits import FeaturePortrait
from mechlab.models.sites import Site, writes_to_the_stream
from mechlab.verbs.steps.opening import Subject
from mechlab.views.report_data import SteeringRow

SAMPLES_NAME = "steering.json"
N_PROMPTS, N_PROMPT_TOKENS, N_NEW_TOKENS = 3, 5, 24
TIMES_MAX_ACTIVATION = 1.0


@dataclass(frozen=True, eq=False)
class Steering:
    """A direction that is added at a site of the subject, and how much of it."""

    subject: Subject
    site: str | Site
    direction: Tensor
    strength: float

    def pair(self, prompt: Tensor, direction: Tensor) -> GeneratedPair:
        """Return a prompt continued without and with a direction of this strength."""
        edit = steer(self.subject.model, self.site, direction, self.strength)
        return generate_pair(self.subject.model, prompt, N_NEW_TOKENS, edit)


def steered_samples(
    subject: Subject, dictionary: Dictionary, portraits: tuple[FeaturePortrait, ...], rows: TokenRows
) -> tuple[SteeringRow, ...]:
    """Return before/after rows; none where the site does not write to the residual stream or there is no text."""
    drivers = [portrait for portrait in portraits if portrait.promoted and portrait.max_activation > 0]
    site = subject.rebuilt
    if not drivers or subject.model.tokenizer is None or site is None or not writes_to_the_stream(site):
        return ()
    driver = max(drivers, key=lambda portrait: portrait.promoted[0][1] * portrait.max_activation)
    strength = TIMES_MAX_ACTIVATION * driver.max_activation
    direction = feature_direction(dictionary, driver.feature, unit=False)
    steering = Steering(subject, site, direction, strength)
    chosen = torch_generator(subject.config.seed, "steering prompts")
    return tuple(_sample(steering, driver.feature, rows, chosen) for _ in range(N_PROMPTS))


def samples_text(samples: tuple[SteeringRow, ...]) -> str:
    """Return the samples as a run stores them, in `steering.json`."""
    return json.dumps([sample.model_dump() for sample in samples], indent=1) + "\n"


def sample_lines(stored: str) -> tuple[str, ...]:
    """Return the first of a run's stored samples, for the terminal; nothing where there is none."""
    samples = json.loads(stored)
    if not samples:
        return ()
    first = SteeringRow(**samples[0])
    return (
        f"Steered with feature {first.feature} at strength {first.strength:.1f}, after {first.prompt!r}:",
        f"  as it is          {first.before}",
        f"  steered           {first.after}",
        f"  random direction  {first.control}",
        "",
    )


def _sample(steering: Steering, feature: int, rows: TokenRows, draw: torch.Generator) -> SteeringRow:
    subject, row = steering.subject, int(torch.randint(len(rows), (1,), generator=draw))
    prompt = rows.tokens[row : row + 1, : 1 + N_PROMPT_TOKENS].long().to(subject.model.device)
    noise = torch.randn(steering.direction.shape, generator=draw).to(steering.direction)
    pair = steering.pair(prompt, steering.direction)
    control = steering.pair(prompt, noise * steering.direction.norm() / noise.norm())
    return SteeringRow(
        prompt=_text(subject, prompt[0]),
        feature=feature,
        strength=steering.strength,
        before=_text(subject, pair.base[0, prompt.shape[1] :]),
        after=_text(subject, pair.steered[0, prompt.shape[1] :]),
        control=_text(subject, control.steered[0, prompt.shape[1] :]),
    )


def _text(subject: Subject, tokens: Tensor) -> str:
    special = subject.model.special_ids
    kept = [token for token in tokens.tolist() if token not in special]
    return subject.model.to_text(torch.tensor([kept]))[0] if kept else ""
