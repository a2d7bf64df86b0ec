"""The command line: help without waiting, one line for a mistake, the exit code, one JSON object."""

import os
import subprocess
import sys

import pytest
import typer
from small_run import call, spawn, wait

from mechlab.__main__ import build_app
from mechlab.core.errors import MechlabError, UsageError
from mechlab.verbs import VERBS, models
from mechlab.verbs.outcome import Outcome

HEAVY = ("torch", "numpy", "transformers", "datasets", "plotly", "jinja2", "safetensors")
HELP_OVER_SMALLEST = 1.6  # measured 0.9 to 1.3, also under load; options nobody sees make it 1.7, importing torch 7
SMALLEST_COMMAND = """
import typer, yaml
from pydantic import BaseModel

class Config(BaseModel):
    number: int = 3

app = typer.Typer(add_completion=False)

@app.command()
def run(number: int = 3) -> None:
    Config(number=number)

app(["--help"])
"""

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def answer(monkeypatch):
    """Let `mechlab models` do what the test says."""

    def answer(run):
        monkeypatch.setitem(vars(models.VERB), "run", run)

    return answer


def commands():
    """Yield the words of every command: verbs, and where one takes a kind or a short form of one, each of these."""
    for name in VERBS:
        verb = VERBS[name]
        yield from [(name, kind) for kind in [*verb.kinds, *verb.short_forms]] if verb.kinds else [(name,)]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_option_has_a_line_of_help(words):
    command = typer.main.get_command(build_app(words))
    for word in words:
        command = command.commands[word]
    silent = [option.name for option in command.params if not (option.help or "").strip()]
    assert len(command.params) > 4 and silent == []
    for config in VERBS[words[0]].nested.values():
        assert [key for key, field in config.model_fields.items() if not field.description] == []


def test_help_says_what_a_kinds_options_and_the_loops_keys_are_for(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    shown = " ".join(call("train", "topk", "--help").out.split())
    for said in ("Codes kept per vector", "revives dead features", "-s training.KEY=VALUE", "grad_clip: Largest norm"):
        assert said in shown
    assert "Codes kept per vector at each layer" in call("train", "topk_crosslayer_transcoder", "--help").out


def cpu_seconds(*arguments):
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime


def test_help_costs_little_more_than_that_of_the_smallest_command_of_the_same_libraries():
    asked = {words: ("-m", "mechlab", *words, "--help") for words in [(), ("train",), ("runs",)]}
    turns = [(cpu_seconds("-c", SMALLEST_COMMAND), *(cpu_seconds(*asked[words]) for words in asked)) for _ in range(5)]
    smallest, *helps = map(min, zip(*turns, strict=True))  # the least of interleaved turns: the load is on all alike
    ratios = {words: seconds / smallest for words, seconds in zip(asked, helps, strict=True)}
    assert max(ratios.values()) < HELP_OVER_SMALLEST, f"{ratios} times the {smallest:.2f} s of the smallest command"


@pytest.mark.parametrize("command", [(), ("train",), ("runs",), ("direction",), ("observe",)], ids=" ".join)
def test_help_imports_nothing_heavy(command):
    report = (
        f"import sys\nfrom mechlab.__main__ import main\ntry: main({[*command, '--help']!r})\n"
        f"except SystemExit: pass\nprint('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
    assert done.stdout.splitlines()[-1].strip() == "heavy:"


def test_help_names_every_verb_with_its_sentence():
    done = call("--help")
    assert done.code == 0
    for name in VERBS:
        assert f" {name} " in done.out
    assert call().out == done.out


@pytest.mark.parametrize("name", [name for name in VERBS if VERBS[name].kinds is None])
def test_every_verb_has_help_and_can_print_json(name):
    done = call(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert "--json" in done.out and "--config" in done.out


def test_a_kind_has_its_own_options_beside_the_shared_ones_with_their_defaults(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = call("train", "topk", "--help")
    assert done.code == 0
    shown = {line.split()[1]: line for line in done.out.splitlines() if line.startswith("│ --")}
    assert "[default: 32]" in shown["--k"]
    assert "[default: tales]" in shown["--model"]
    assert "[default: 0]" in shown["--seed"]
    assert {"--json", "--dry-run", "--device", "--out", "--resume", "--config"} <= shown.keys()
    assert not {"--d-in", "--d-sae", "--kind", "--training"} & shown.keys()
    assert "--k" not in call("train", "relu", "--help").out.split()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], ["unknown verb", "'trian'", "Known: train"]),
        (["train"], ["needs a dictionary kind", "topk"]),
        (["train", "--json"], ["needs a dictionary kind", "topk"]),
        (["train", "topkk"], ["unknown dictionary kind", "'topkk'", "Known: topk"]),
        (["train", "topk", "--tokns", "3"], ["No such option", "--tokns", "mechlab train topk --help"]),
        (["train", "topk", "--tokens", "many"], ["--tokens", "integer", "--help"]),
        (["train", "topk", "--tokens"], ["--tokens", "requires an argument"]),
        (["train", "topk", "--tokens", "-5"], ["tokens", "-5", "greater than 0"]),
        (["train", "topk", "--features", "8", "--k", "9"], ["k is at most d_sae = 8", "9"]),
        (["train", "topk", "-s", "kk=3"], ["no key", "'kk'", "Known keys"]),
        (["train", "topk", "-s", "lr"], ["no `key=value` form", "'lr'"]),
        (["train", "topk", "-s", "training.learning=3"], ["TrainConfig has no key", "learning"]),
        (["train", "topk", "--config", "no.yaml"], ["config file cannot be read", "no.yaml", "No such file"]),
        (["evaluate"], ["Missing argument", "mechlab evaluate --help"]),
        (["runs", "burn"], ["action", "burn", "'list'"]),
        (["--version"], ["No such option", "mechlab --help"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].islower() and isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_with_the_value_and_the_remedy(arguments, said, tmp_path):
    if arguments[:2] == ["train", "topk"]:
        arguments = [*arguments[:2], "--model", "tales", "--out", "out", *arguments[2:]]
    done = call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith("error: ")
    assert not [part for part in said if part not in done.line], done.line
    assert not list(tmp_path.iterdir())


def test_what_is_no_mistake_of_the_user_is_exit_code_one(answer):
    def fails(config, progress):
        raise MechlabError("the loss exploded")

    answer(fails)
    done = call("models")
    assert (done.code, done.line) == (1, "error: the loss exploded")


def test_a_users_mistake_inside_a_verb_is_exit_code_two(answer):
    def refuses(config, progress):
        raise UsageError("too small", value=3, remedy="Give 4.")

    answer(refuses)
    done = call("models")
    assert (done.code, done.line) == (2, "error: too small: 3. Give 4.")


def test_a_bug_is_one_line_and_shows_its_place_when_asked(answer, monkeypatch):
    def breaks(config, progress):
        raise RuntimeError("first line\nsecond line")

    answer(breaks)
    done = call("models")
    assert done.code == 1
    assert "internal error: RuntimeError: first line second line" in done.line
    assert "MECHLAB_TRACEBACK=1" in done.line
    monkeypatch.setenv("MECHLAB_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="second line"):
        call("models")


def test_an_interrupted_verb_is_one_line(answer):
    def waits(config, progress):
        raise KeyboardInterrupt

    answer(waits)
    done = call("models")
    assert (done.code, done.line) == (1, "stopped; no run was written")


def test_an_answer_that_is_a_failure_keeps_its_exit_code(answer):
    answer(lambda config, progress: Outcome({"whole": False}, lines=("not whole",), exit_code=1))
    done = call("models", "--json")
    assert (done.code, done.data, done.err) == (1, {"whole": False}, "not whole\n")


def test_without_json_the_answer_is_for_people():
    done = call("models")
    assert done.code == 0 and done.err == ""
    assert "tales" in done.out and "{" not in done.out


def test_the_module_runs_as_a_process_and_its_exit_code_is_the_shells():
    assert wait(spawn("models", "--json")).data["built_in"]
    done = wait(spawn("train", "topk", "--tokens", "0"))
    assert (done.code, done.out) == (2, "")
    assert "tokens" in done.line
