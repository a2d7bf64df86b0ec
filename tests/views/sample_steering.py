"""A page of steered texts as a verb would fill it: three ways, their doses, samples with a control."""

from mechlab.core.estimate import Estimate
from mechlab.views.report_data import Command, Fact
from mechlab.views.steering_data import DoseRow, SampleRow, SteeringPageData, WayRow


def told(value: float, reach: float = 0.03) -> Estimate:
    return Estimate(value=value, low=value - reach, high=value + reach, n=200)


def dose(strength: float, concept: float, cost: float | None) -> DoseRow:
    costs = None if cost is None else told(cost, 0.01)
    return DoseRow(
        strength=strength, concept=told(concept), nll_increase=costs, repetition=told(0.012, 0.004), distinct=0.731
    )


def way(name: str, *doses: DoseRow, taken: float, meaning: str = "") -> WayRow:
    fresh = next(one for one in doses if one.strength == taken)
    costs = {"kl_nats": told(0.021, 0.002), "loss_increase": told(0.034, 0.004)} if taken else {}
    return WayRow(
        name=name, meaning=meaning, tried=doses, front=(0.0, 2.0, 4.0), trend=0.9, taken=taken, fresh=fresh, **costs
    )


def sample_steering() -> SteeringPageData:
    none = dose(0.0, 0.08, 0.0)
    ways = (
        way("mean difference", none, dose(2, 0.41, 0.03), dose(4, 0.86, 0.09), dose(8, 0.99, 0.6), taken=4.0),
        way("<observable>", none, dose(2, 0.35, 0.02), dose(4, 0.71, 0.2), taken=2.0, meaning="winter & less summer"),
        way("random direction", none, dose(2, 0.07, 0.05), dose(4, 0.09, 0.4), dose(6, 0.0, None), taken=0.0),
    )
    return SteeringPageData(
        title="Towards winter",
        run_id="0123456789ab",
        summary="Texts of a small model, steered towards winter in three ways.",
        concept=r"\b(snow|winter)\b",
        samples=(
            SampleRow(prompt="One day", before=" Tom saw a dog.", after=" Tom saw <snow>.", control=" Tom ate a pie."),
            SampleRow(prompt="It was", before=" a warm day.", after=" winter and cold.", control=" a warm day."),
        ),
        ways=ways,
        own=none,
        n_texts=200,
        notes=("Strengths are in units of the mean norm at the site.",),
        facts=(Fact(label="model", value="tales"), Fact(label="seed", value="0")),
        commands=(Command(purpose="Write more", text='mechlab steer "One day" --spec spec.json'),),
    )
