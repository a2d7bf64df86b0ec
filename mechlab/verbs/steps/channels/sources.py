"""What is opened to see what channels carry: a labelled text, and a dictionary out of a run."""

from dataclasses import dataclass
from pathlib import Path

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.core.progress import Progress
from mechlab.corpora import CORPORA
from mechlab.corpora.documents import Corpus
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import TokenRows, pack
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.models.sites import Site, writes_to_the_stream
from mechlab.store.catalog import find_run
from mechlab.store.manifest import CorpusRecord
from mechlab.store.run import Run
from mechlab.verbs.channel_options import ChannelOptions
from mechlab.verbs.steps.stored import stored_dictionary

ROW_LENGTH = 128
BEHIND_NORMS = ("ln1_normalized", "ln2_normalized")


@dataclass(frozen=True, eq=False)
class Features:
    """A run's dictionary, and which of its sides are vectors of the residual stream."""

    run: Run
    dictionary: Dictionary
    route: Route
    writes: bool
    reads: bool


@dataclass(frozen=True, eq=False)
class Sources:
    """A labelled text and a dictionary's features, each only if there is one."""

    corpus: Corpus | None
    features: Features | None

    @property
    def record(self) -> CorpusRecord | None:
        """Return what a run notes of the text."""
        if self.corpus is None:
            return None
        name = self.corpus.name
        at_path = name not in CORPORA and Path(name).exists()
        return CorpusRecord(name=name, fingerprint=self.corpus.fingerprint, at_path=at_path)


def open_sources(config: ChannelOptions, model: LanguageModel) -> Sources | None:
    """Return what is asked to be looked at; None where nobody asks what channels carry. No text is read yet.

    Raises:
        UsageError: a text or a dictionary is given without `--carries`; the text is unknown or has no labels; the model
            has no tokenizer; the dictionary neither reads nor writes the residual stream.
        ArtifactError: there is no such run, it has no dictionary, or it was made on another model.
    """
    for name in ("corpus", "dictionary"):
        if not config.carries and (given := getattr(config, name)) is not None:
            raise UsageError(f"--{name} is only for what channels carry", value=given, remedy="Add --carries.")
    if not config.carries:
        return None
    features = None if config.dictionary is None else _features(config.dictionary, config.root, model)
    return Sources(_labelled(config, model), features)


def labelled_rows(config: ChannelOptions, model: LanguageModel, corpus: Corpus, progress: Progress) -> TokenRows:
    """Return the first tokens of a text, in rows."""
    assert model.tokenizer is not None
    length = min(ROW_LENGTH, model.spec.n_ctx)
    known = {"n_tokens": config.tokens, "d_vocab": model.spec.d_vocab, "progress": progress}
    return pack(corpus, model.tokenizer, row_length=length, **known)


def _labelled(config: ChannelOptions, model: LanguageModel) -> Corpus | None:
    name = config.corpus or (config.model if config.model in CORPORA else None)
    if name is None:
        return None
    corpus = open_corpus(name, seed=config.seed)
    if not corpus.label_names:
        remedy = f"Give one with labels, such as {next(iter(CORPORA))}; or leave it out to see tokens and features."
        raise UsageError("corpus has no labels", value=name, remedy=remedy)
    if model.tokenizer is None:
        remedy = "Put its tokenizer.json into the folder."
        raise UsageError("model has no tokenizer", value=config.model, remedy=remedy)
    return corpus


def _features(name: str, root: Path, model: LanguageModel) -> Features:
    run = find_run(name, root)
    dictionary, recorded = stored_dictionary(run), run.manifest.model
    if recorded is not None and recorded.fingerprint != model.fingerprint:
        remedy = f"It was made on {recorded.fingerprint[:16]}; this is {model.fingerprint[:16]}."
        raise ArtifactError("dictionary is of another model", value=name, remedy=remedy)
    place = run.manifest.config
    route = Route.of(place["site"], model.spec, place.get("target"))
    (first, *others), (last, *more) = route.inputs, route.rebuilt
    reads, writes = not others and _is_read(first), not more and writes_to_the_stream(last)
    if not (reads or writes):
        remedy = "Give one at a single site such as resid_post.2, attn_out.1, or mlp.2."
        raise UsageError("dictionary neither reads nor writes the residual stream", value=str(route), remedy=remedy)
    return Features(run, dictionary, route, writes, reads)


def _is_read(site: Site) -> bool:
    """Return whether a vector at this site is one of the stream's, but for its length."""
    return writes_to_the_stream(site) or site.kind in BEHIND_NORMS
