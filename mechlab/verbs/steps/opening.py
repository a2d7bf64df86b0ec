"""Open what a run looks at: the model, the site, the corpus; and cut its text into held-out and training rows.

Held-out rows are the corpus's first, so that they can be had again without reading what comes after them.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path

import torch

from mechlab.activations.sampled import sampled_rows
from mechlab.core.config import digest
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.core.randomness import sub_seed
from mechlab.core.runtime import keep_freed_memory, use_threads
from mechlab.corpora import CORPORA
from mechlab.corpora.documents import Corpus
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import TokenRows, pack
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import is_on_disk, load
from mechlab.models.route import Route, one_vector_each
from mechlab.models.sites import Site
from mechlab.store.manifest import CorpusRecord, ModelRecord
from mechlab.verbs.subject import SubjectConfig

SAMPLED = "sampled"


@dataclass(frozen=True, eq=False)
class Subject:
    """A model, the sites a dictionary reads and rebuilds, and text; `corpus` is None where the model writes it."""

    config: SubjectConfig
    model: LanguageModel
    route: Route
    corpus: Corpus | None

    @property
    def place(self) -> dict[str, str]:
        """Return what a run notes of where it looked: `site`, and `target` where that is another."""
        ends = {"site": self.route.inputs, "target": self.route.targets}
        return {name: ",".join(map(str, sites)) for name, sites in ends.items() if sites}

    @cached_property
    def widths(self) -> tuple[list[int], list[int]]:
        """Return the width of each site read, and of each target, by looking at one row.

        Raises:
            UsageError: a site holds more than one vector per token: a dictionary there could not be judged.
        """
        row = torch.zeros(1, self.config.row_length, dtype=torch.long)
        found = self.model.activations(row, self.route.sites)
        read, targets = (
            [vectors.shape[-1] for vectors in one_vector_each(found, sites)]
            for sites in (self.route.inputs, self.route.targets)
        )
        return read, targets

    @property
    def rebuilt(self) -> Site | None:
        """Return the one site that is rebuilt; None where there are several."""
        return self.route.rebuilt[0] if len(self.route.rebuilt) == 1 else None

    @property
    def model_record(self) -> ModelRecord:
        """Return what a run notes of the model."""
        name, at_path = self.config.model, is_on_disk(self.config.model)
        known = {"fingerprint": self.model.fingerprint, "processing": tuple(self.model.processing)}
        return ModelRecord(name=name, at_path=at_path, **known)

    @property
    def corpus_record(self) -> CorpusRecord:
        """Return what a run notes of the text."""
        if self.corpus is not None:
            name = self.corpus.name
            at_path = name not in CORPORA and Path(name).exists()
            return CorpusRecord(name=name, fingerprint=self.corpus.fingerprint, at_path=at_path)
        return CorpusRecord(name=SAMPLED, fingerprint=digest([SAMPLED, self.model.fingerprint, self.config.seed]))

    @property
    def n_held_out(self) -> int:
        """Return the number of held-out rows."""
        return ceil(self.config.eval_tokens / self.config.row_length)


def open_subject(config: SubjectConfig) -> Subject:
    """Return the subject; no text is read yet.

    Raises:
        UsageError: the model, site, target or corpus is unknown, a target is missing or comes before its site, or a
            row is longer than the model's context.
    """
    model = load(config.model, device=config.device)
    use_threads(config.threads, model.spec.n_params)
    keep_freed_memory()
    route = Route.of(config.site, model.spec, config.target)
    if config.needs_target and not route.targets:
        remedy = "Give --target SITE, or --site mlp.L for a whole MLP."
        raise UsageError("transcoder has no target", value=str(route), remedy=remedy)
    if config.row_length > model.spec.n_ctx:
        remedy = f"{config.model} reads at most {model.spec.n_ctx} tokens."
        raise UsageError("row is longer than the model's context", value=config.row_length, remedy=remedy)
    return Subject(config, model, route, _open_text(config))


def at_place(subject: Subject, config: SubjectConfig) -> Subject:
    """Return the same model and text, looked at elsewhere.

    Raises:
        UsageError: the model has no such site, or the route cannot be computed.
    """
    return replace(subject, config=config, route=Route.of(config.site, subject.model.spec, config.target))


def held_out_rows(subject: Subject, progress: Progress) -> TokenRows:
    """Return the rows a dictionary is judged by; training never sees them."""
    if subject.corpus is None:
        return _sampled(subject, "held-out text", subject.config.eval_tokens, progress)
    return _packed(subject, subject.corpus, subject.config.eval_tokens, progress)


def training_rows(subject: Subject, progress: Progress) -> TokenRows:
    """Return the rows a dictionary is trained on: those behind the held-out ones."""
    if subject.corpus is None:
        return _sampled(subject, "training text", subject.config.tokens, progress)
    n_held_out = subject.n_held_out * subject.config.row_length
    rows = _packed(subject, subject.corpus, n_held_out + subject.config.tokens, progress)
    return rows.select(slice(subject.n_held_out, len(rows)))


def _open_text(config: SubjectConfig) -> Corpus | None:
    if config.corpus == SAMPLED:
        return None
    name = config.corpus or (config.model if config.model in CORPORA else None)
    if name is None:
        remedy = "Give --corpus FILE, or --corpus sampled for text the model itself writes."
        raise UsageError("model has no corpus of its own", value=config.model, remedy=remedy)
    return open_corpus(name, seed=config.seed, text_column=config.text_column)


def _packed(subject: Subject, corpus: Corpus, n_tokens: int, progress: Progress) -> TokenRows:
    if subject.model.tokenizer is None:
        remedy = "Put its tokenizer.json into the folder."
        raise UsageError("model has no tokenizer", value=subject.config.model, remedy=remedy)
    return pack(
        corpus,
        subject.model.tokenizer,
        row_length=subject.config.row_length,
        n_tokens=n_tokens,
        d_vocab=subject.model.spec.d_vocab,
        progress=progress,
    )


def _sampled(subject: Subject, purpose: str, n_tokens: int, progress: Progress) -> TokenRows:
    seed = sub_seed(subject.config.seed, purpose)
    return sampled_rows(subject.model, n_tokens, subject.config.row_length, seed=seed, progress=progress)
