"""CPU time of whole runs in turns: the model's share and the training's, in stretches of steps."""

from collections.abc import Iterator
from typing import Any

import torch
from ours import OurRun, loaded
from settings import BATCH, SETTINGS, STRETCHES, WARM_UP, Setting, random_gpt2, token_rows
from theirs import VARIANTS, Seconds, Variant, run_in_turns


def rows(picked: str) -> Iterator[dict]:
    """Yield a row for each setting and way to run SAELens whose name holds the word."""
    torch.set_num_threads(1)
    for setting in SETTINGS:
        for variant in VARIANTS:
            name = f"{setting.name}, d_sae {setting.d_sae:,}, SAELens {variant.name}"
            if picked in name:
                yield {"case": name, **compared(setting, variant)}


def compared(setting: Setting, variant: Variant) -> dict:
    """Return CPU µs per token of both, by share, and the ratio with its range over the stretches."""
    model, tokens = random_gpt2(setting), token_rows(setting)
    refuse_other_activations(setting, variant, model, tokens[:4])
    our_run = OurRun(setting, model, tokens, rounded=variant.rounded)
    turns = run_in_turns(setting, variant, model, tokens, our_run)
    theirs, ours = (stretches(steps, setting) for steps in (turns.theirs, turns.others))
    ratios = sorted(sum(their) / sum(our) for their, our in zip(theirs, ours, strict=True))
    return {
        "saelens_us_per_token": median_by_share(theirs, setting),
        "mechlab_us_per_token": median_by_share(ours, setting),
        "ratio": ratios[len(ratios) // 2],
        "low": ratios[0],
        "high": ratios[-1],
    }


def stretches(steps: list[Seconds], setting: Setting) -> list[Seconds]:
    """Return the CPU seconds of activations and of training in each stretch."""
    starts = [WARM_UP + number * setting.stretch for number in range(STRETCHES)]
    parts = [steps[start : start + setting.stretch] for start in starts]
    return [(sum(step[0] for step in part), sum(step[1] for step in part)) for part in parts]


def median_by_share(found: list[Seconds], setting: Setting) -> dict[str, float]:
    """Return CPU µs per token of the stretch whose total is the middle one."""
    activations, training = sorted(found, key=sum)[len(found) // 2]
    n_tokens = setting.stretch * BATCH
    return {"activations": 1e6 * activations / n_tokens, "training": 1e6 * training / n_tokens}


def refuse_other_activations(setting: Setting, variant: Variant, model: Any, tokens: torch.Tensor) -> None:
    """Stop unless both read the same activations."""
    hook = variant.hook.format(setting.layer)
    _, cache = variant.wrap(model).run_with_cache(tokens, names_filter=[hook], stop_at_layer=setting.layer + 1)
    site = f"resid_post.{setting.layer}"
    ours = loaded(model).activations(tokens, [site])[site]
    torch.testing.assert_close(cache[hook], ours, rtol=1e-4, atol=1e-4)
