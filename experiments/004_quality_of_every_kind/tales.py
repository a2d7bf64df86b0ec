"""Activations of the built-in model, and what a dictionary of them is worth: to the model, and beside known causes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mechlab
from mechlab.activations.stream import ActivationStream, StreamConfig
from mechlab.core.progress import SILENT
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.verbs.steps.opening import held_out_rows, open_subject, training_rows
from mechlab.verbs.subject import SubjectConfig

from trainers import same_form  # isort: skip

FROM_ONE_PASS = ("explained_variance", "ce_loss_recovered", "l0", "dead_share")


@dataclass
class Tales:
    """One seed's text, activations and judge."""

    settings: dict[str, Any]
    seed: int
    training: TrainConfig

    def __post_init__(self) -> None:
        tokens = int(1.02 * self.training.n_tokens)  # the start token of each row is not trained on
        self.subject = open_subject(SubjectConfig(**self.settings["subject"], tokens=tokens, seed=self.seed))

    @cached_property
    def batches(self) -> list:
        """Return the shuffled activations every trainer sees."""
        mix = StreamConfig(batch_size=self.training.batch_size, n_batches=self.training.n_steps, seed=self.seed)
        rows = training_rows(self.subject, SILENT)
        return list(ActivationStream(self.subject.model, rows, self.subject.route.inputs, mix))

    @cached_property
    def held_out(self) -> TokenRows:
        """Return the text that judges."""
        return held_out_rows(self.subject, SILENT)

    def judged(self, dictionary: Dictionary) -> dict[str, float]:
        """Return the numbers of a dictionary, and those of the controls of its ground truth."""
        given = self.subject.model, same_form(dictionary), self.held_out, self.subject.route
        numbers = mechlab.evaluate(*given).numbers()
        truth = mechlab.ground_truth(*given)
        controls = {"mean_f1_random": "random dictionary", "mean_f1_shuffled": "shuffled labels"}
        return {
            **{name: numbers[name] for name in FROM_ONE_PASS},
            "mean_f1": truth.mean_f1["dictionary"].value,
            "mean_auc": truth.mean_auc["dictionary"].value,
            **{name: truth.mean_f1[control].value for name, control in controls.items()},
        }
