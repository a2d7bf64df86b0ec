"""Examples that options name: two files of texts, labelled tokens of a corpus, or the prompt pairs of a task."""

from collections.abc import Sequence
from pathlib import Path

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.reading import examples_of_pairs, examples_of_texts, examples_of_tokens
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.corpora import CORPORA
from mechlab.corpora.labels import label_asked
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import TokenRows, pack
from mechlab.corpora.tasks.prompting import prompt_pairs
from mechlab.corpora.text_files import TextFiles
from mechlab.models import MODELS
from mechlab.models.language_model import LanguageModel
from mechlab.verbs.direction_options import DirectionOptions

ROW_LENGTH = 128


def asked_examples(config: DirectionOptions, model: LanguageModel, site: str, progress: Progress) -> Examples:
    """Return the examples, read at a site.

    Raises:
        UsageError: no source is named; a file, label, task or role is unknown; a class has too few; the model has no
            tokenizer; the site is unknown or holds no vector for each token.
    """
    if model.tokenizer is None:
        raise UsageError(
            "examples need a tokenizer", value=model.name, remedy="Put its tokenizer.json into the folder."
        )
    if config.positive is not None and config.negative is not None:
        texts = [_texts(path) for path in (config.positive, config.negative)]
        return examples_of_texts(model, site, texts[0], texts[1], paired=config.paired)
    if config.cause:
        label = config.cause[0] if len(config.cause) == 1 else (config.cause[0], config.cause[1])
        rows = text_rows(config, model, progress, labels=config.cause)
        return examples_of_tokens(model, site, rows, label, most=config.most, seed=config.seed)
    if config.task is not None:
        own = {} if config.corruption is None else {"corruption": config.corruption}
        style = config.style or ("tales" if config.model in MODELS else "plain")
        pairs = prompt_pairs(model.tokenizer, config.task, n=config.prompts, seed=config.seed, style=style, **own)
        return examples_of_pairs(model, site, pairs, config.role)
    remedy = "Give --positive and --negative, --cause season=winter, or --task ioi."
    raise UsageError(f"{config.kind} needs examples", remedy=remedy)


def text_rows(
    config: DirectionOptions, model: LanguageModel, progress: Progress, labels: Sequence[str] = ()
) -> TokenRows:
    """Return the first tokens of the text, in rows.

    Args:
        config: which text, and how much of it.
        model: whose tokens.
        progress: to tell how far it is.
        labels: what the text has to have, refused before it is read.

    Raises:
        UsageError: the text or a label is unknown, or the model has no text of its own or no tokenizer.
    """
    name = config.corpus or (config.model if config.model in CORPORA else None)
    if name is None:
        remedy = f"Give --corpus FILE, or --corpus {next(iter(CORPORA))}."
        raise UsageError("model has no corpus of its own", value=config.model, remedy=remedy)
    if model.tokenizer is None:
        raise UsageError("text needs a tokenizer", value=model.name, remedy="Put its tokenizer.json into the folder.")
    corpus, length = open_corpus(name, seed=config.seed), min(ROW_LENGTH, model.spec.n_ctx)
    for label in labels:
        label_asked(corpus.label_names, label)
    known = {"n_tokens": config.tokens, "d_vocab": model.spec.d_vocab, "progress": progress}
    return pack(corpus, model.tokenizer, row_length=length, **known)


def _texts(path: Path) -> list[str]:
    """Return the texts in a file, empty ones left out."""
    return [document.text for document in TextFiles(path).documents() if document.text.strip()]
