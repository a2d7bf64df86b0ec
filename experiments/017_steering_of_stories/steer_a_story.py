"""Stories steered to the sea, as a user would: find a direction, say how much of it goes where, write, compare."""

import torch
from causes import cause, text_pairs
from ways import calls_of

import mechlab

SITE, STRENGTH, N_TOKENS = "resid_post.2", 0.6, 60


def before_and_after(prompt: str = "It was", n: int = 4, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return what follows a prompt without and with steering, from the same draws."""
    model, sea = mechlab.load("tales", device="cpu"), cause("sea")
    own, others = zip(*text_pairs(sea, 100, seed=1), strict=True)
    examples = mechlab.examples_of_texts(model, SITE, own, others, paired=True)
    direction = mechlab.find_direction("mean_difference", mechlab.DirectionMaterial(model, SITE, examples))
    print(f"tells held-out openings apart: AUC {direction.facts.auc}, shuffled {direction.facts.shuffled_auc}")

    rows = mechlab.pack(mechlab.open_corpus("tales", seed=1), model.tokenizer, row_length=128, n_tokens=20_000)
    calls, threshold = calls_of(model, rows, sea, SITE)
    where = mechlab.SteerGate(part=mechlab.VectorPart(name="calls"), above=threshold)
    towards = mechlab.VectorPart(name="sea")
    step = mechlab.SteerStep(part=towards, strength=STRENGTH, unit="mean_norm", sites=(SITE,), gate=where)
    sources = {"sea": direction.vector, "calls": calls}
    spec = mechlab.measured(model, mechlab.SteerSpec(steps=(step,)), rows, sources)

    prompts, edit = model.to_tokens(prompt).expand(n, -1), mechlab.steer_by(model, spec, sources)
    pair = mechlab.generate_pair(model, prompts, N_TOKENS, edit, temperature=1.0, seed=seed)
    return model.to_text(pair.base), model.to_text(pair.steered)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for before, after in zip(*before_and_after(), strict=True):
        print(f"\nbefore: {before}\nafter:  {after}")
