"""What a verb says of itself to the command line."""

from typing import Annotated, ClassVar

from mechlab.core.config import Config, SetElsewhere
from mechlab.core.progress import SILENT
from mechlab.verbs import VERBS
from mechlab.verbs.outcome import OnlyFor, Outcome, ShortForm, Verb


class Size(Config):
    d_in: Annotated[int, SetElsewhere()] = 1
    k: int = 2
    seed: int = 3


class Kind:
    Config = Size


class Options(Config):
    seed: int = 0


def run(config, progress):
    """Do the thing.

    At length.
    """
    return Outcome({})


def test_the_help_of_a_verb_is_the_docstring_of_its_function():
    assert Verb(Options, run).help == "Do the thing.\n\nAt length."
    assert Verb(Options, lambda config, progress: Outcome({})).help == ""


def test_a_kinds_own_options_are_those_nobody_else_sets():
    verb = Verb(Options, run)
    assert list(verb.fields_of(Kind)) == ["k"]


def test_success_with_nothing_to_show_is_the_default():
    outcome = run(Options(), SILENT)
    assert (outcome.exit_code, outcome.tables, outcome.lines) == (0, (), ())


def test_every_verb_has_help_and_a_description_for_each_field():
    for name in VERBS:
        verb = VERBS[name]
        assert verb.help, name
        assert not [field for field, info in verb.config.model_fields.items() if not info.description], name


def test_a_short_form_finds_its_kind_among_the_words():
    form = ShortForm("Help.", option="activation", default="topk", values={})
    assert form.kind_in(["train", "transcoder", "--site", "mlp.1"]) == "topk"
    assert form.kind_in(["train", "transcoder", "--activation", "relu", "--k", "3"]) == "relu"
    assert form.kind_in(["train", "transcoder", "--activation=gated"]) == "gated"
    assert form.kind_in(["train", "transcoder", "--activation"]) == "topk"


class Inner(Config):
    rate: float = 1.0


class OwnConfig(Config):
    """A kind that is its own config, and says what it needs."""

    needs: ClassVar[tuple[str, ...]] = ("text",)

    d_in: Annotated[Inner, SetElsewhere()] = Inner()
    inner: Inner = Inner()
    k: int = 2
    seed: int = 3


def test_a_kind_may_be_its_own_config_and_configs_inside_it_are_reached_by_settings():
    verb = Verb(Options, run, kind_key="kind", nested={"loop": Inner})
    assert list(verb.fields_of(OwnConfig)) == ["k"]
    assert verb.nested_of(OwnConfig) == {"loop": Inner, "kind.inner": Inner}
    assert verb.nested_of(Kind) == {"loop": Inner}


def test_an_option_for_a_part_suits_kinds_that_need_it_or_have_such_a_key_or_do_not_say():
    assert OnlyFor("text", "other").suits(OwnConfig) and OnlyFor("k").suits(OwnConfig)
    assert not OnlyFor("other").suits(OwnConfig) and OnlyFor("other").suits(Kind)
