"""The page of a comparison of steered texts, filled from what was written and measured."""

from mechlab.core.estimate import Estimate
from mechlab.metrics.dose_response import Dose, front, monotone
from mechlab.metrics.steering_race import Outcome
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.steering.subject import Steered
from mechlab.views.numbers import number
from mechlab.views.report_data import Command, Fact
from mechlab.views.steering_data import DoseRow, SampleRow, SteeringPageData, WayRow
from mechlab.views.steering_page import render_steering

MEANINGS = {
    "as asked": "what was asked for",
    "random direction": "a drawn vector of equal length instead",
    "random feature": "another feature of the dictionary instead, also on somewhere",
    "prompting": "nothing is edited; it is said before the prompt",
}


def steering_page(
    config: SteerOptions, steered: Steered, run_id: str, samples: tuple[SampleRow, ...], outcomes: tuple[Outcome, ...]
) -> str:
    """Return the page."""
    return render_steering(
        SteeringPageData(
            title=f"Steered by {steered.name}",
            run_id=run_id,
            summary=_summary(config, steered, outcomes),
            concept=config.concept or "",
            samples=samples,
            ways=tuple(_way(one) for one in outcomes),
            own=_dose(outcomes[0].own) if outcomes else None,
            most_increase=config.most_increase,
            n_texts=config.texts * (1 + len(config.also)) if outcomes else 0,
            notes=_notes(config, outcomes),
            facts=_facts(config, steered),
            commands=(Command(purpose="Write another text by this spec", text=_again(config, run_id)),),
        )
    )


def _summary(config: SteerOptions, steered: Steered, outcomes: tuple[Outcome, ...]) -> str:
    steps = " and ".join(f"{step.operation} at {', '.join(step.sites) or 'its head'}" for step in steered.spec.steps)
    said = f"{steered.model.name}: {steps}, strength {number(config.strength, 3)}."
    if not outcomes:
        return said
    own, fresh = outcomes[0].own.text.concept.value, outcomes[0].fresh.text.concept.value
    return f"{said} Texts with the concept: {100 * own:.0f} % as it is, {100 * fresh:.0f} % steered."


def _way(found: Outcome) -> WayRow:
    costs = found.costs
    return WayRow(
        name=found.way,
        meaning=MEANINGS.get(found.way, ""),
        tried=tuple(_dose(one) for one in found.tried),
        front=tuple(found.tried[place].strength for place in front(found.tried)),
        trend=monotone(found.tried),
        taken=found.taken,
        fresh=_dose(found.fresh),
        kl_nats=None if costs is None else costs.kl_nats,
        loss_increase=None if costs is None else costs.loss_increase,
    )


def _dose(dose: Dose) -> DoseRow:
    text = dose.text
    known: dict[str, Estimate | None] = {"nll_increase": dose.nll_increase, "repetition": text.repetition}
    return DoseRow(strength=dose.strength, concept=text.concept, distinct=text.distinct[2], **known)


def _notes(config: SteerOptions, outcomes: tuple[Outcome, ...]) -> tuple[str, ...]:
    if not outcomes:
        return ("Give --concept to tell how many texts speak of something, at several strengths, beside controls.",)
    return (
        "Strengths are multiples of the one asked for.",
        "The strength taken is the cheapest that reaches 0.8 on the texts for choosing, if it costs at most "
        f"{100 * config.most_increase:.0f} % more; else, of those that cost no more, the one with most of the concept.",
        "A token's cost is what the model without any edit pays for it: fluent text of a rare topic costs little more.",
    )


def _facts(config: SteerOptions, steered: Steered) -> tuple[Fact, ...]:
    shown = {
        "model": f"{steered.model.name} ({steered.model.fingerprint[:16]})",
        "steered by": steered.name,
        "tokens written": config.tokens,
        "temperature": config.temperature,
        "seed": config.seed,
    }
    return tuple(Fact(label=label, value=str(value)) for label, value in shown.items())


def _again(config: SteerOptions, run_id: str) -> str:
    folder = config.out or f"runs/steer-{config.model.rpartition('/')[2]}-{run_id[:8]}"
    return f'mechlab steer "{config.prompt}" --model {config.model} --spec {folder}/spec.json --seed {config.seed + 1}'
