"""What `mechlab steer` steers by, from a spec file, a feature of a dictionary, or a file of directions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mechlab.circuits.directions.direction import Direction
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.core.runtime import use_threads
from mechlab.corpora import CORPORA
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import TokenRows, pack
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.steering.features import Sources
from mechlab.interventions.steering.parts import FeaturePart, VectorPart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.interventions.steering.units import measured
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import load
from mechlab.models.sites import Site
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.directions.stored import open_dictionary, open_directions

N_TOKENS, ROW_LENGTH = 20_000, 128
VECTORS_SUFFIX = ".safetensors"


@dataclass(frozen=True, eq=False)
class Steered:
    """A model and what it is steered by.

    Attributes:
        spec: at the strength asked for, its units measured.
        directions: those that the spec names.
        dictionaries: those that the spec names.
        text: to measure on; None where there is none.
        name: what it is steered by, in words.
    """

    model: LanguageModel
    spec: SteerSpec
    directions: tuple[Direction, ...]
    dictionaries: Mapping[str, Dictionary]
    text: TokenRows | None
    name: str

    @property
    def sources(self) -> Sources:
        """Return what the names in the spec stand for."""
        vectors: dict[str, Tensor] = {one.name: one.scaled.to(self.model.device) for one in self.directions}
        return {**vectors, **self.dictionaries}


def open_steered(config: SteerOptions, progress: Progress) -> Steered:
    """Return the model and what steers it; all that cannot work is refused here, before any text is written.

    Raises:
        UsageError: model, text, feature or site is unknown, a file does not fit, or a number is not finite.
        ArtifactError: a file is missing or damaged, or a dictionary is of another model.
    """
    model = load(config.model, device=config.device)
    use_threads(config.threads, model.spec.n_params)
    model.checked(model.to_tokens(config.prompt), config.tokens)
    if config.spec is not None:
        spec, directions, names, name = _from_file(config.spec, model)
    elif config.feature is not None:
        spec, directions, names, name = _from_feature(config.feature)
    else:
        assert config.direction is not None
        spec, directions, names, name = _from_direction(config.direction, model)
    dictionaries, places = _dictionaries(names, config.root, model)
    if config.spec is None:
        spec = _as_asked(config, spec, places)
    spec = spec.times(config.strength) if config.spec is not None else spec
    steered = Steered(model, spec, directions, dictionaries, _text(config, model, progress), name)
    if any(step.unit != "own" and not step.unit_sizes for step in spec.steps):
        if steered.text is None:
            raise UsageError("a unit has to be measured on text", value=config.unit, remedy="Give --corpus.")
        spec = measured(model, spec, steered.text, steered.sources)
    found = Steered(model, spec, directions, dictionaries, steered.text, name)
    steer_by(model, found.spec, found.sources)  # what does not fit is refused now
    return found


Opened = tuple[SteerSpec, tuple[Direction, ...], tuple[str, ...], str]


def _from_file(path: Path, model: LanguageModel) -> Opened:
    try:
        spec = SteerSpec.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("steering spec cannot be read", value=str(path), remedy=f"{error}.") from None
    names = dict.fromkeys(step.part.dictionary for step in spec.steps if isinstance(step.part, FeaturePart))
    vectors = path.with_suffix(VECTORS_SUFFIX)
    directions = tuple(open_directions(vectors, model)) if vectors.is_file() else ()
    return spec, directions, tuple(names), path.stem


def _from_feature(text: str) -> Opened:
    run, _, number = text.rpartition(":")
    if not run or not number.isascii() or not number.isdigit():
        raise UsageError("feature is not named", value=text, remedy="Write RUN:NUMBER, as runs/first:12.")
    step = SteerStep(part=FeaturePart(dictionary=run, feature=int(number)), sites=("resid_post.0",))
    return SteerSpec(steps=(step,)), (), (run,), f"feature {number} of {Path(run).name}"


def _from_direction(path: Path, model: LanguageModel) -> Opened:
    directions = tuple(open_directions(path, model))
    steps = tuple(SteerStep(part=VectorPart(name=one.name), sites=(one.site,)) for one in directions)
    return SteerSpec(steps=steps), directions, (), ", ".join(one.name for one in directions)


def _as_asked(config: SteerOptions, spec: SteerSpec, places: Mapping[str, str]) -> SteerSpec:
    """Return the spec with the options of the command, each step at its own place unless another is asked for."""
    steps = []
    for step in spec.steps:
        own = places.get(step.part.dictionary) if isinstance(step.part, FeaturePart) else step.sites[0]
        if (site := config.site or own) is None:
            remedy = "Give --site, such as resid_post.1."
            raise UsageError("dictionary does not say where it was trained", value=config.feature, remedy=remedy)
        asked = {"operation": config.operation, "strength": config.strength, "unit": config.unit}
        span = TokenSpan(within=config.within)
        steps.append(
            SteerStep(**{**dict(step), **asked, "sites": (site,), "span": span, "keep_norm": config.keep_norm})
        )
    return SteerSpec(steps=tuple(steps))


def _dictionaries(
    names: tuple[str, ...], root: Path, model: LanguageModel
) -> tuple[dict[str, Dictionary], dict[str, str]]:
    """Return the dictionaries of these names, and the sites that those say which know."""
    dictionaries, places = dict[str, Dictionary](), dict[str, str]()
    for name in names:
        found = open_dictionary(model, name, root)
        dictionaries[name] = found.dictionary.to(model.device).requires_grad_(False)
        read, written = found.names.get("hook_name"), found.names.get("hook_name_out")
        if read is not None:
            ends = [str(Site.parse(hook, model.spec)) for hook in (read, written) if hook is not None]
            places[name] = " -> ".join(dict.fromkeys(ends))
    return dictionaries, places


def _text(config: SteerOptions, model: LanguageModel, progress: Progress) -> TokenRows | None:
    name = config.corpus or (config.model if config.model in CORPORA else None)
    needed = config.unit != "own" or config.compare or config.spec is not None
    if name is None or not needed or model.tokenizer is None:
        return None
    length = min(ROW_LENGTH, model.spec.n_ctx)
    corpus = open_corpus(name, seed=config.seed)
    known = {"n_tokens": N_TOKENS, "d_vocab": model.spec.d_vocab, "progress": progress}
    return pack(corpus, model.tokenizer, row_length=length, **known)
