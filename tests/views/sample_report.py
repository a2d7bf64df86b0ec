"""A report's data as a small run on stories would fill it; every number here is invented, none is a result."""

import math

from mechlab.core.estimate import Estimate
from mechlab.views.report_data import (
    Baseline,
    CauseBaseline,
    CauseRow,
    Command,
    Context,
    Curve,
    Fact,
    FeatureCard,
    Histogram,
    MetricRow,
    ReportData,
    SiteNorms,
    SteeringRow,
)

STORIES = (
    "One day in March , Anna walked to the market with a basket . She was glad because the sun was warm .",
    "Tom lost his red kite near the river . He was sad and sat down by the old bridge until Sam found it .",
    "It was winter . Snow lay on the roof , and Lily was happy to stay inside with her grandmother and a cup of tea .",
    "When Ben and Mary went to the shop , Ben gave a book to Mary . Mary smiled and put the book in her bag .",
    "The list says bread , milk and apples . Kim bought the milk and the bread , so the thing left is the apples .",
    "In the year 17 32 the war began , and it lasted until the year 17 58 , so the town was tired and afraid .",
    "The doctor said she would come in April , when the flowers open . The boy was cheerful after she had left .",
    "Sara was angry . Her brother had broken the blue lamp and had told nobody about it for three days .",
)
KINDS = (
    ("emotion = joy", ("glad", "happy", "smiled", "cheerful"), (" smile", " laugh", " cheerful", " sun", " glad")),
    ("season = winter", ("winter", "Snow", "tea"), (" snow", " ice", " coat", " fire", " cold")),
    ("year, last two digits", ("32", "58", "17"), (" 61", " 74", " 88", " 93", " 59")),
    ("speaker is female", ("She", "she", "her", "Her"), (" she", " her", " herself", " aunt", " mother")),
    ("list item", ("bread", "milk", "apples", "book"), (" and", " ,", " milk", " pears", " .")),
    ("", ("in", "near", "on", "by"), (" the", " a", " his", " her", " this")),
    ("emotion = anger", ("angry", "broken", "lost"), (" shout", " slam", " angry", " red", " cry")),
    ("name repeated", ("Ben", "Mary", "Kim", "Sam"), (" Mary", " Ben", " Anna", " Tom", " gave")),
    ("month", ("March", "April"), (" rain", " flowers", " May", " spring", " wind")),
    ("sentence ends", (".",), (" The", " She", " He", " It", "\n")),
)


def estimate(value: float, half: float, n: int = 65_536, unit: str = "") -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n, unit=unit)


def sample_card(index: int) -> FeatureCard:
    label, words, logits = KINDS[index % len(KINDS)]
    most = 9.4 - 0.31 * index
    contexts = [context(story, words, most * (1 - 0.06 * place)) for place, story in enumerate(matching(words))]
    bins = 24
    return FeatureCard(
        id=(index * 397 + 41) % 2048,
        density=0.031 / (1 + 0.6 * index),
        max_activation=most,
        label=label if index < len(KINDS) else "",
        note="Best match of 64 known causes: F1 0.91 on held-out tokens." if index < 4 else "",
        histogram=Histogram(
            edges=[most * i / bins for i in range(bins + 1)],
            counts=[int(900 * math.exp(-i / 4) + 60 * math.exp(-((i - 17) ** 2) / 9)) for i in range(bins)],
        ),
        contexts=contexts,
        positive_logits=[(token, 1.9 - 0.23 * i) for i, token in enumerate(logits)],
        negative_logits=[(token, -1.2 + 0.17 * i) for i, token in enumerate((" sad", " not", " river", " of", " 17"))],
    )


def matching(words: tuple[str, ...]) -> list[str]:
    return [story for story in STORIES if set(words) & set(story.split())][:5]


def context(story: str, words: tuple[str, ...], peak: float) -> Context:
    pieces = story.split(" ")
    tokens = [pieces[0]] + [piece if piece in ".," else f" {piece}" for piece in pieces[1:]]
    strong = [0.0 if piece not in words else 1.0 for piece in pieces]
    focus = strong.index(1.0)
    near = [0.28 if 0 < abs(place - focus) < 3 and place % 2 else 0.0 for place in range(len(pieces))]
    pairs = enumerate(zip(strong, near, strict=True))
    levels = [peak * max(s * (0.55 if place > focus else 1), n) for place, (s, n) in pairs]
    return Context(tokens=tokens, activations=levels, focus=focus)


def curve(name: str, start: float, end: float, unit: str, meaning: str) -> Curve:
    steps = range(0, 4_900, 50)
    values = [end + (start - end) * math.exp(-step / 500) * (1 + 0.1 * math.sin(step / 90)) for step in steps]
    return Curve(name=name, steps=list(steps), values=values, unit=unit, meaning=meaning)


def sample_metrics() -> list[MetricRow]:
    random, mean = "random dictionary", "mean activation"
    return [
        MetricRow(
            name="explained variance",
            estimate=estimate(0.9123, 0.0021),
            meaning="Share of the activations' variance that the reconstruction keeps; 1 is exact.",
            baselines=[Baseline(name=mean, value=0.0), Baseline(name=random, value=0.113)],
        ),
        MetricRow(
            name="CE loss recovered",
            estimate=estimate(0.9871, 0.0014, 512),
            meaning="Share of the damage of zero ablation that the reconstruction undoes in the model's loss.",
            baselines=[Baseline(name=mean, value=0.41), Baseline(name=random, value=0.46)],
        ),
        MetricRow(
            name="cosine",
            estimate=estimate(0.957, 0.001),
            meaning="Mean cosine between an activation and its reconstruction.",
            baselines=[Baseline(name=mean, value=0.62), Baseline(name=random, value=0.66)],
        ),
        MetricRow(
            name="dead share",
            estimate=estimate(0.0713, 0.011, 2_048),
            meaning="Share of features that fire on none of the tokens judged.",
            baselines=[Baseline(name=random, value=0.0)],
        ),
        MetricRow(
            name="delta CE",
            estimate=estimate(0.0312, 0.0031, 512, "nats"),
            meaning="Loss the model gains when the reconstruction stands in for the activation.",
            baselines=[Baseline(name=mean, value=1.42), Baseline(name=random, value=1.30)],
        ),
        MetricRow(
            name="KL",
            estimate=estimate(0.0274, 0.0025, 512, "nats"),
            meaning="Divergence of the spliced model's next-token distribution from the model's own.",
            baselines=[Baseline(name=mean, value=1.36), Baseline(name=random, value=1.21)],
        ),
        MetricRow(name="L0", estimate=estimate(16, 0, unit="features"), meaning="Features that fire per token."),
    ]


def sample_causes() -> list[CauseRow]:
    rows = (("emotion = joy", 41, 0.93), ("emotion = anger", 375, 0.88), ("season = winter", 438, 0.90))
    rows += (("speaker is female", 1232, 0.97), ("topic = school", None, 0.42), ("list position = last", 1629, 0.58))
    return [
        CauseRow(
            cause=cause,
            feature=feature,
            f1=estimate(f1, 0.025, 412),
            auc=estimate(min(0.995, f1 + 0.04), 0.004, 412),
            baselines=[
                CauseBaseline(name="random dictionary", f1=0.3 + 0.2 * f1, auc=0.71),
                CauseBaseline(name="raw neurons", f1=0.35 + 0.35 * f1, auc=0.83),
            ],
        )
        for cause, feature, f1 in rows
    ]


def sample_facts() -> list[Fact]:
    facts = (
        ("model", "tales, 6 layers, d_model 256"),
        ("site", "resid_post.2"),
        ("dictionary", "TopK, k 16, 2,048 features"),
        ("training tokens", "2,000,000"),
        ("seed", "0"),
        ("corpus", "tales generator, 9c1f04ab27de"),
        ("git revision", "4be1c09"),
        ("hardware", "2 CPU cores, 7.6 GB"),
        ("wall time", "1 min 52 s"),
        ("versions", "mechlab 0.1.0, torch 2.13.0"),
    )
    return [Fact(label=label, value=value) for label, value in facts]


def sample_curves() -> list[Curve]:
    return [
        curve("loss", 1.9, 0.11, "", "Squared error plus the auxiliary loss."),
        curve("explained variance", 0.02, 0.91, "", "On the batch just trained on."),
        curve("dead features", 1900, 146, "features", "Silent for the last 200,000 tokens."),
        curve("learning rate", 0.0001, 0.0004, "", "After warm-up, before decay."),
        curve("gradient norm", 3.1, 0.4, "", "Before clipping at 1."),
        curve("tokens per second", 9_000, 21_000, "tokens/s", "Of the whole loop, model included."),
    ]


def sample_steering() -> list[SteeringRow]:
    return [
        SteeringRow(
            prompt="One day Tom",
            feature=41,
            strength=strength,
            before=" went to the river to look for his kite . He was tired .",
            after=f" went to the {place} . He was {mood} and laughed all day .",
        )
        for strength, place, mood in ((4.0, "fair", "happy"), (8.0, "party with a smile", "glad"))
    ]


def sample_commands() -> list[Command]:
    wide = "mechlab train topk --model tales --site resid_post.2 --features 4096 --k 16 --out runs/wide"
    return [
        Command(purpose="Show this run in the terminal", text="mechlab show runs/3fa19c07be5512d4"),
        Command(purpose="Train it again with twice the features", text=wide),
    ]


def sample_site_norms() -> list[SiteNorms]:
    """Return what the page of a crosscoder of two sites has beside the rest."""
    counts = [int(200 * math.exp(-((i - 11) ** 2) / 18)) for i in range(20)]
    alike = [0] * 9 + [1000, 1048] + [0] * 9
    return [
        SiteNorms(site="resid_post.1", counts=counts, of_untrained=alike),
        SiteNorms(site="resid_post.2", counts=counts[::-1], of_untrained=alike),
    ]


def sample_report(n_features: int = 20) -> ReportData:
    """Return the data of a page as full as a real one."""
    return ReportData(
        title="A TopK autoencoder on tales, layer 2",
        run_id="3fa19c07be5512d4",
        summary="2,048 features stand in for the residual stream after layer 2; sixteen of them speak on each token.",
        n_tokens=65_536,
        headline=["explained variance", "CE loss recovered", "L0", "dead share"],
        facts=sample_facts(),
        notes=[
            "One seed. Another seed finds other features; only the scores are known to be stable.",
            "Dead share and density are counted on 65,536 tokens; rarer features look dead here.",
            "Logit effects go through the unembedding alone and leave out every later layer.",
        ],
        metrics=sample_metrics(),
        curves=sample_curves(),
        density=Histogram(
            edges=[-5 + 0.2 * i for i in range(26)],
            counts=[int(310 * math.exp(-((i - 13) ** 2) / 22)) for i in range(25)],
        ),
        n_dead=146,
        ground_truth=sample_causes(),
        features=[sample_card(index) for index in range(n_features)],
        steering=sample_steering(),
        commands=sample_commands(),
        citation="mechlab 0.1.0, run 3fa19c07be5512d4 (topk, tales, resid_post.2, seed 0)",
    )
