"""What a traced prompt is asked about: the likeliest tokens, tokens by name, or one set of tokens against another."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mechlab.circuits.attribution.described import TargetName
from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.targets import Targets, direction_targets, logit_targets, position_of
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.verbs.trace_options import TraceOptions

MOST_LOGITS = 10
PROBABILITY = 0.95


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a prompt.

    Attributes:
        targets: what is attributed.
        names: what each is called.
        weights: how much each counts: alike where they were named, else by probability.
    """

    targets: Targets
    names: tuple[TargetName, ...]
    weights: tuple[float, ...]


def named_tokens(model: LanguageModel, texts: Sequence[str]) -> list[int]:
    """Return the token that each text is; `#629` is token 629.

    Raises:
        UsageError: a text is not one token of the model.
    """
    return [_token(model, text) for text in texts]


def asked_of(model: LanguageModel, frozen: FrozenPass, config: TraceOptions) -> Asked:
    """Return what a config asks of a pass.

    Raises:
        UsageError: a token or the position is not there, or something is to be traced against nothing.
    """
    wanted, against = named_tokens(model, config.target), named_tokens(model, config.against)
    if against and not wanted:
        remedy = "Give --target, too."
        raise UsageError("targets are missing", value=f"--against {','.join(config.against)}", remedy=remedy)
    probabilities = _probabilities(model, frozen, config.position)
    if against:
        name = " less ".join(" or ".join(_texts(model, tokens)) for tokens in (wanted, against))
        direction = torch.zeros(1, frozen.spec.d_vocab, dtype=frozen.final.dtype, device=frozen.final.device)
        for tokens, sign in ((wanted, 1), (against, -1)):
            for token in tokens:
                direction[0, token] += sign / len(tokens)
        return Asked(direction_targets(frozen, direction, [config.position]), (TargetName(name),), (1.0,))
    tokens = list(dict.fromkeys(wanted)) or _likeliest(probabilities)
    named = zip(_texts(model, tokens), tokens, strict=True)
    names = tuple(TargetName(text, token, float(probabilities[token])) for text, token in named)
    weights = tuple(1.0 if wanted else name.probability for name in names)
    return Asked(logit_targets(frozen, tokens, [config.position]), names, weights)


def _token(model: LanguageModel, text: str) -> int:
    if text.startswith("#") and text[1:].isdecimal() and text.isascii():
        token = int(text[1:])
        if token >= model.spec.d_vocab:
            remedy = f"{model.name} knows #0 to #{model.spec.d_vocab - 1}."
            raise UsageError("no such token", value=text, remedy=remedy)
        return token
    ids = model.to_tokens(text, bos=False)[0]
    unknown = None if model.tokenizer is None else model.tokenizer.unk_id
    if len(ids) > 1 or int(ids[0]) == unknown:
        pieces = " + ".join(repr(piece) for piece in model.token_strings(ids))
        remedy = f"The model reads it as {pieces}. Give one token, or its number as #629."
        raise UsageError("target is not one token of the model", value=text, remedy=remedy)
    return int(ids[0])


def _texts(model: LanguageModel, tokens: Sequence[int]) -> list[str]:
    if model.tokenizer is None:
        return [f"#{token}" for token in tokens]
    return model.token_strings(torch.tensor(tokens))


@torch.no_grad()
def _probabilities(model: LanguageModel, frozen: FrozenPass, position: int) -> Tensor:
    return model.logits(frozen.tokens[None])[0, position_of(frozen, position)].float().softmax(-1)


def _likeliest(probabilities: Tensor) -> list[int]:
    """Return the fewest tokens that have `PROBABILITY` together, the likeliest first, at most `MOST_LOGITS`."""
    values, tokens = probabilities.sort(descending=True, stable=True)
    before = values.cumsum(0) - values
    return tokens[: min(MOST_LOGITS, int((before < PROBABILITY).sum()))].tolist()
