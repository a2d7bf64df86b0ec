"""What a model knows of the machine, and what its codes do: losses, legal steps, states told by one code, purity."""

from typing import Any

import torch
from arms import walks_of
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tokfsm.bayes import bayes_optimum
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import rollouts, state_labels
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.metrics.neuron_search import neuron_at_recall
from mechlab.metrics.next_token import loss_per_token, row_losses
from mechlab.models.route import side_by_side

ENOUGH = 20
OUTPUTS = ("attn_out", "mlp_out")


def knowledge(model: Any, machine: Machine, row_length: int, settings: dict[str, int], seed: int) -> dict[str, float]:
    """Return loss per token, what it is above the best that can be, and the share of its own steps that are legal."""
    tokens = held_out(machine, row_length, settings["rows"], seed)
    rows = TokenRows(tokens.int(), torch.zeros_like(tokens, dtype=torch.bool), "rollouts")
    loss = loss_per_token(row_losses(model, rows)).value
    states = walks_of(model, machine, settings["walks"], row_length, seed)
    legal = legal_steps(machine, states)
    best = bayes_optimum(machine, row_length).loss_nats
    return {"loss_nats": loss, "excess_nats": loss - best, "state_accuracy": float(legal.float().mean())}


def legal_steps(machine: Machine, states: Tensor) -> Tensor:
    """Return of each pair of neighbouring states whether the machine may go from one to the other."""
    before, after = states[:, :-1], states[:, 1:]
    return torch.as_tensor(machine.edges)[before, after] & (before >= 0) & (after >= 0)


def held_out(machine: Machine, row_length: int, n_rows: int, seed: int) -> Tensor:
    """Return rollouts that no training sees."""
    return rollouts(machine, n_rows, row_length, torch_generator(seed, "held-out rollouts"))


@torch.no_grad()
def codes_and_states(model: CodebookModel, base: Any, machine: Machine, tokens: Tensor, seed: int) -> dict[str, Any]:
    """Return use and purity of the MLPs' codes, and how well one of the last MLP tells a state beside one neuron."""
    codes = {site: ids[:, :, 0] for site, ids in model.codes(tokens).items() if site.startswith("mlp_out")}
    use = {site: len(ids.unique()) / model.codebooks[site].config.n_all for site, ids in codes.items()}
    labels = state_labels(machine, tokens)
    pure = {site: purity(tokens, labels.completes, ids[..., 0]) for site, ids in codes.items()}
    last = list(codes)[-1]
    neurons = {name: own[labels.completes] for name, own in neurons_of(base, tokens, last).items()}
    here, states = codes[last][labels.completes], labels.states[labels.completes]
    shuffled = states[torch.randperm(len(states), generator=torch_generator(seed, "shuffled states"))]
    null = states_told(here, neurons, shuffled)["code_precision"]
    return {"alive": use, "purity": pure, **states_told(here, neurons, states), "code_precision_shuffled": null}


def neurons_of(base: Any, tokens: Tensor, site: str) -> dict[str, Tensor]:
    """Return the neurons a code is held against: those of its own site, of all outputs, and the MLPs' hidden ones."""
    layers = range(base.spec.n_layers)
    sets = {
        "site": [site],
        "output": [f"{kind}.{layer}" for kind in OUTPUTS for layer in layers],
        "hidden": [f"mlp_post.{layer}" for layer in layers],
    }
    return {name: side_by_side(list(base.activations(tokens, sites).values())) for name, sites in sets.items()}


def states_told(codes: Tensor, neurons: dict[str, Tensor], states: Tensor) -> dict[str, float]:
    """Return the mean precision and recall of the best code of each state, and neurons' precision at that recall.

    The code is chosen by F1 on the first half of the tokens and judged on the second; the neuron is the best of all on
    the second half itself, which favours it.
    """
    half, found = len(states) // 2, []
    for state in states.unique().tolist():
        here, there = states[:half] == state, states[half:] == state
        if min(int(here.sum()), int(there.sum())) < ENOUGH:
            continue
        fires = (codes[half:] == best_code(codes[:half], here)).any(1)
        hits = int((fires & there).sum())
        recall = hits / int(there.sum())
        at_recall = max(recall, 1 / int(there.sum()))  # a code that misses all is held against a neuron's first hit
        best = {name: neuron_at_recall(there, own[half:], at_recall).precision for name, own in neurons.items()}
        found.append({"code": hits / max(int(fires.sum()), 1), "recall": recall, **best})
    means = {name: sum(one[name] for one in found) / len(found) for name in ("code", "recall", *neurons)}
    precisions = {f"{name}_precision": means[name] for name in ("code", *neurons)}
    return {**precisions, "code_recall": means["recall"], "n_states": len(found)}


def best_code(codes: Tensor, cause: Tensor) -> int:
    """Return the code with the best F1 for the cause."""
    n_all = int(codes.max()) + 1
    uses, hits = codes.flatten().bincount(minlength=n_all), codes[cause].flatten().bincount(minlength=n_all)
    return int((2 * hits / (uses + int(cause.sum()))).argmax())


def purity(tokens: Tensor, completes: Tensor, codes: Tensor) -> dict[str, float]:
    """Return the share of codes that fire on one state alone (a bigram), and on one state and first digit (a trigram).

    Bigrams are looked at where a state is complete, trigrams at the digit behind it.
    """
    bigrams = tokens[:, :-1] * 100 + tokens[:, 1:]
    trigrams = bigrams[:, :-1] * 100 + tokens[:, 2:]
    of_states, behind = completes[:, 1:], completes[:, 1:-1]
    return {
        "bigram": one_input_only(bigrams[of_states], codes[:, 1:][of_states]),
        "trigram": one_input_only(trigrams[behind], codes[:, 2:][behind]),
    }


def one_input_only(inputs: Tensor, codes: Tensor) -> float:
    """Return the share of codes that stand with one input only."""
    pairs = torch.stack([codes, inputs], dim=1).unique(dim=0)
    return float((pairs[:, 0].unique(return_counts=True)[1] == 1).float().mean())
