"""The command line: verbs become commands, mistakes become one line and an exit code."""

import inspect
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import typer
from pydantic.fields import FieldInfo

from mechlab.core.errors import MechlabError, UsageError
from mechlab.core.processes import end_at_once, this_place
from mechlab.core.registry import Registry
from mechlab.verbs import VERBS
from mechlab.verbs.options import command, merge, nested_keys, visible_fields
from mechlab.verbs.outcome import Outcome, Verb

OptionMistake: Any = typer.BadParameter.__base__  # typer's own mistakes have no public name but this one's
ABOUT = "A workbench for mechanistic interpretability: train, judge, look at and steer with sparse dictionaries."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 success, 2 a user's mistake, 1 anything else."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait do not burn a core; read when torch loads
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = build_app(given)(args=given, prog_name="mechlab", standalone_mode=False)
    except MechlabError as error:
        _leave(f"error: {error}", error.exit_code)
    except OptionMistake as error:
        where = error.ctx.command_path if error.ctx else "mechlab"
        _leave(f"error: {error.format_message().rstrip('.')}. Try {where} --help.", error.exit_code)
    except KeyboardInterrupt:
        _leave("stopped", 1)
    except Exception as error:  # the last line of defence: a user never meets a traceback unasked
        if os.environ.get("MECHLAB_TRACEBACK"):
            raise
        _leave(f"internal error: {type(error).__name__}: {error} (MECHLAB_TRACEBACK=1 shows where)", 1)
    raise SystemExit(1 if code else 0)


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the typer app: the verb in `arguments` with what help or a run of it needs, all verbs if none is named.

    Raises:
        UnknownName: the verb or the kind in `arguments` is unknown.
    """
    app = typer.Typer(help=ABOUT, add_completion=False, pretty_exceptions_enable=False, callback=_nothing)
    asked = _first_name([] if "--help" in arguments[:1] else arguments)
    for name in VERBS if asked is None else (asked,):
        verb: Verb = VERBS[name]  # an unknown verb is refused here, with the known ones
        if asked is None:
            app.command(name, help=verb.help)(_nothing)
        elif verb.kinds is None:
            app.command(name)(command(visible_fields(verb.config), partial(_execute, verb), verb.help))
        else:
            words = arguments[arguments.index(name) :]
            app.add_typer(_kinds_app(verb, verb.kinds, words), name=name, help=verb.help)
    return app


def _first_name(words: Sequence[str]) -> str | None:
    return next((word for word in words if not word.startswith("-")), None)


def _nothing() -> None:
    """Stand where typer wants a function: for a command that is listed only, and for what comes before each."""


def _kinds_app(verb: Verb, kinds: Registry, words: Sequence[str]) -> typer.Typer:
    """Return the commands of a verb with kinds; only the one that follows the verb is imported and has its options."""
    app = typer.Typer()
    known = Registry(kinds.noun, dict.fromkeys([*kinds, *verb.short_forms, *verb.others], ""))
    asked = _first_name(words[1:])
    _refuse_unknown_kind(words, known, asked)
    about = {name: f"{kinds.noun.capitalize()} {name}." for name in kinds}
    about |= {name: form.help for name, form in verb.short_forms.items()}
    about |= {name: verb.others[name].help for name in verb.others}
    for name in about:
        if name != asked:
            app.command(name, help=about[name])(_nothing)
        elif name in verb.others:
            _add_other(app, name, verb.others[name])
        else:
            _add_kind(app, name, verb, kinds, words)
    return app


def _add_other(app: typer.Typer, name: str, other: Verb) -> None:
    run = command(visible_fields(other.config), partial(_execute, other), other.help)
    app.command(name, epilog=nested_keys(other.nested))(run)


def _add_kind(app: typer.Typer, name: str, verb: Verb, kinds: Registry, words: Sequence[str]) -> None:
    """Add the command of a kind, or of the short form of one, with its own options beside the verb's."""
    form = verb.short_forms.get(name)
    kind = form.kind_in(words) if form else name
    own, shared = verb.fields_of(kinds[kind]), visible_fields(verb.config, kinds[kind])
    fields, values, help_text = {**shared, **own}, {"kind": kind}, inspect.getdoc(kinds[kind])
    if form:
        known = FieldInfo(default=form.default, annotation=str, description=f"Its kind: {', '.join(kinds)}.")
        fields, values, help_text = {form.option: known, **fields}, {**form.values, **values}, form.help
    handle = partial(_execute_kind, verb, values, dict.fromkeys(own, verb.kind_key))
    app.command(name, epilog=nested_keys(verb.nested_of(kinds[kind])))(command(fields, handle, help_text or ""))


def _refuse_unknown_kind(words: Sequence[str], kinds: Registry, asked: str | None) -> None:
    if asked is not None:
        kinds.check(asked)
    elif "--help" not in words:
        what = f"`mechlab {words[0]}` needs a {kinds.noun}"
        raise UsageError(what, remedy=f"Known: {', '.join(kinds)}.")


def _execute(
    verb: Verb, values: dict[str, Any], *, config_file: Path | None, settings: list[str] | None, **show: bool
) -> None:
    _report(verb, merge(verb.config, values, config_file, settings), **show)


def _execute_kind(
    verb: Verb,
    fixed: dict[str, Any],
    inner: dict[str, str],
    values: dict[str, Any],
    *,
    config_file: Path | None,
    settings: list[str] | None,
    **show: bool,
) -> None:
    given = {name: value for name, value in values.items() if name in verb.config.model_fields or name in inner}
    _report(verb, merge(verb.config, {**fixed, **given}, config_file, settings, inner), **show)


def _report(verb: Verb, config: Any, *, as_json: bool, quiet: bool) -> None:
    from mechlab.core.progress import SILENT
    from mechlab.views import terminal

    place = this_place()
    if place.n > 1 and not verb.in_several:
        raise UsageError("this works in one process only", value=place.n, remedy="Start it without torchrun.")
    try:
        shown = terminal.RichProgress(quiet=quiet, answers=not as_json) if place.is_first else SILENT
        outcome: Outcome = verb.run(config, shown)
    except KeyboardInterrupt:
        goes_on = "the same command with --resume goes on from the last checkpoint"
        _leave(f"stopped; {goes_on if 'resume' in type(config).model_fields else 'no run was written'}", 1)
    if place.is_first:
        terminal.print_outcome(outcome.tables, outcome.lines, outcome.data if as_json else None)
    if place.n > 1:
        end_at_once(outcome.exit_code)
    raise SystemExit(outcome.exit_code)


def _leave(line: str, code: int) -> NoReturn:
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if alone or _speaks_for_all():
        print(" ".join(line.split()), file=sys.stderr)  # noqa: T201
    if not alone:
        end_at_once(code)  # what waits for the others would wait for ever
    raise SystemExit(code)


def _speaks_for_all() -> bool:
    """Return whether it is for this one of several processes to say what went wrong."""
    if "torch.distributed" not in sys.modules:
        return os.environ.get("RANK", "0") == "0"
    from mechlab.training.parallel.group import is_first_to_fail

    return is_first_to_fail()


if __name__ == "__main__":
    main()
