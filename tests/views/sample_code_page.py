"""A code page's data as a small model with codebooks would fill it; every number here is invented, none is a result."""

from views.sample_report import KINDS, matching

from mechlab.core.estimate import Estimate
from mechlab.views.code_data import CauseMatch, CodeCard, CodePageData, Score, UseRow
from mechlab.views.report_data import Command, Context, Fact

SITES = ("z.0", "mlp_out.0", "z.1", "mlp_out.1")
N_TOKENS = 65_536


def score(value: float, reach: float, n: int = 256) -> Score:
    return Score(value=value, interval=Estimate(value=value, low=value - reach, high=min(1, value + reach), n=n))


def match(label: str, index: int) -> CauseMatch:
    precision, recall = 0.975 - 0.011 * index, 0.52 + 0.37 * ((index * 7) % 11) / 10
    f1 = 2 * precision * recall / (precision + recall)
    few = index % 9 == 8
    return CauseMatch(
        cause=label.replace(" = ", "="),
        precision=Score(value=precision) if few else score(precision, 0.021),
        recall=score(recall, 0.034),
        f1=Score(value=f1) if few else score(f1, 0.027),
        by_chance=0.04 + 0.003 * index,
    )


def context(story: str, words: tuple[str, ...]) -> Context:
    pieces = story.split(" ")
    tokens = [pieces[0]] + [piece if piece in ".," else f" {piece}" for piece in pieces[1:]]
    on = [1.0 if piece in words else 0.0 for piece in pieces]
    return Context(tokens=tokens, activations=on, focus=len(on) - 1 - on[::-1].index(1.0))


def card(index: int) -> CodeCard:
    label, words, _ = KINDS[index % len(KINDS)]
    site = SITES[(index * 5 + index // 4) % len(SITES)]
    code = (index * 397 + 41) % 2_000
    uses = round(9_000 / (1 + 0.35 * index))
    return CodeCard(
        site=site,
        group=code // 500 if site.startswith("z") else 0,
        code=code,
        n_uses=uses,
        share=uses / N_TOKENS,
        match=match(label, index) if label and index < 40 else None,
        tokens=[(f" {word}", max(1, uses // (2 + place))) for place, word in enumerate(words)],
        contexts=[context(story, words) for story in matching(words)],
    )


def sample_use() -> list[UseRow]:
    rows = []
    for place, site in enumerate(SITES):
        n_groups = 4 if site.startswith("z") else 1
        for group in (None, *range(n_groups)) if n_groups > 1 else (None,):
            n_codes = 2_000 if group is None else 2_000 // n_groups
            alive = round(n_codes * (0.93 - 0.11 * place - 0.03 * (group or 0)))
            rows.append(
                UseRow(
                    site=site,
                    group=group,
                    n_codes=n_codes,
                    n_alive=alive,
                    alive_share=alive / n_codes,
                    entropy_nats=6.1 - 0.3 * place,
                    perplexity=445.9 / (1 + 0.35 * place),
                    effective_share=445.9 / (1 + 0.35 * place) / n_codes,
                )
            )
    return rows


def sample_code_page(n_codes: int = 60) -> CodePageData:
    """Return the data of a page as full as a real one."""
    facts = (
        ("model", "tales with codebooks, 6 layers, d_model 256"),
        ("sites", ", ".join(SITES)),
        ("codes", "2,000 at each site, k 8"),
        ("corpus", "tales generator, 9c1f04ab27de"),
        ("seed", "0"),
        ("versions", "mechlab 0.1.0, torch 2.13.0"),
    )
    return CodePageData(
        title="Codes of tales",
        run_id="7be5512d43fa19c0",
        summary="Eight codes stand for each activation at four sites; these are the ones that say most about the text.",
        n_tokens=N_TOKENS,
        facts=[Fact(label=label, value=value) for label, value in facts],
        notes=[
            "Precision is the cause's share of the tokens a code is active on, recall the code's share of the cause's.",
            "Intervals are 95 % bootstrap intervals over rows of text; a score without one stands on too few rows.",
            "Codes were chosen to be shown: they are not a sample of all.",
        ],
        use=sample_use(),
        codes=[card(index) for index in range(n_codes)],
        commands=[Command(purpose="Search for codes by a pattern", text="mechlab codes search RUN 'M(ay|arch)'")],
        citation="mechlab 0.1.0, run 7be5512d43fa19c0 (codebooks, tales, seed 0)",
    )
