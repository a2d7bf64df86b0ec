"""The command line: verbs become commands, mistakes become one line and an exit code."""

import inspect
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer

from mechlab.core.errors import MechlabError
from mechlab.core.registry import Registry
from mechlab.verbs import VERBS
from mechlab.verbs.options import command, merge, visible_fields
from mechlab.verbs.outcome import Outcome, Verb

ABOUT = "A workbench for mechanistic interpretability: train, judge, look at and steer with sparse dictionaries."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 success, 2 a user's mistake, 1 anything else."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        build_app(given)(args=given, prog_name="mechlab")
    except MechlabError as error:
        _leave(f"error: {error}", error.exit_code)
    except KeyboardInterrupt:
        _leave("stopped; a training run goes on with the same command and --resume", 1)
    except Exception as error:  # the last line of defence: a user never meets a traceback unasked
        if os.environ.get("MECHLAB_TRACEBACK"):
            raise
        _leave(f"internal error: {type(error).__name__}: {error} (MECHLAB_TRACEBACK=1 shows where)", 1)


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the typer app; of a verb with kinds only the kind in `arguments` is imported."""
    app = typer.Typer(help=ABOUT, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for name in VERBS:
        verb: Verb = VERBS[name]
        if verb.kinds is None:
            app.command(name)(command(visible_fields(verb.config), partial(_execute, verb), verb.help))
        else:
            app.add_typer(_kinds_app(verb, verb.kinds, arguments), name=name, help=verb.help)
    return app


def _kinds_app(verb: Verb, kinds: Registry, arguments: Sequence[str]) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)
    asked = next((word for word in arguments[1:] if not word.startswith("-")), None)
    if asked is not None and arguments[0] in VERBS and VERBS[arguments[0]] is verb:
        kinds[asked]  # an unknown kind is refused here, with the known ones
    for kind in kinds:
        own = visible_fields(kinds[kind].Config) if kind == asked else {}
        kept = {name: field for name, field in own.items() if name not in verb.kind_keys_set_by_verb}
        help_text = inspect.getdoc(kinds[kind]) if kind == asked else f"{kinds.noun.capitalize()} {kind}."
        handle = partial(_execute_kind, verb, kind)
        app.command(kind)(command({**visible_fields(verb.config), **kept}, handle, help_text or ""))
    return app


def _execute(
    verb: Verb, values: dict[str, Any], *, config_file: Path | None, settings: list[str], **show: bool
) -> None:
    _report(verb, merge(verb.config, values, config_file, settings), **show)


def _execute_kind(verb: Verb, kind: str, values: dict[str, Any], **options: Any) -> None:
    own = {key: values.pop(key) for key in list(values) if key not in verb.config.model_fields}
    _execute(verb, {**values, "kind": kind, verb.kind_key: {**own}}, **options)


def _report(verb: Verb, config: Any, *, as_json: bool, quiet: bool) -> None:
    from mechlab.core.progress import SILENT
    from mechlab.views import terminal

    outcome: Outcome = verb.run(config, SILENT if quiet else terminal.RichProgress())
    terminal.print_outcome(outcome.tables, outcome.lines, outcome.data if as_json else None)
    raise SystemExit(outcome.exit_code)


def _leave(line: str, code: int) -> None:
    print(line, file=sys.stderr)  # noqa: T201
    raise SystemExit(code)


if __name__ == "__main__":
    main()
