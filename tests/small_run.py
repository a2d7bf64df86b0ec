"""The command line as tests call it, and a language model so small that a whole run takes a second or two."""

import contextlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers as hf

from mechlab.__main__ import main
from mechlab.corpora.tales.vocabulary import vocabulary

TOKENIZER = Path(__file__).parent.parent / "experiments" / "000_tales" / "tokenizer.py"
D_MODEL, N_LAYERS, N_CTX, FEATURES = 16, 2, 64, 24
TEXT = ("--corpus", "tales", "--row-length", "32", "--tokens", "2048", "--eval-tokens", "1024")
SIZE = ("--site", "resid_post.0", "--features", str(FEATURES), "--batch-size", "256", "--pool", "512", "--lr", "0.01")
SMALL = ("--k", "4", *TEXT, *SIZE)


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict:
        """Return the one JSON object on stdout."""
        assert self.out.endswith("}\n") and self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """Return the one line on stderr."""
        assert self.err.endswith("\n") and self.err.count("\n") == 1, self.err
        return self.err.rstrip("\n")


def call(*arguments: object) -> Done:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
            code = -1  # main always exits
        except SystemExit as exit_:
            code = exit_.code
    return Done(code, out.getvalue(), err.getvalue())


def spawn(*arguments: object, **options: object) -> subprocess.Popen:
    """Start a command as a process of its own, without the tests' import hook."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "mechlab", *map(str, arguments)]
    # Tests that run in the background of a shell have interrupts ignored, and would hand that on.
    options = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait(process: subprocess.Popen) -> Done:
    """Return what a started command left."""
    out, err = process.communicate(timeout=300)
    return Done(process.returncode, out, err)


def tiny_model(folder: Path, seed: int = 0) -> Path:
    """Write a random GPT-2 that reads the tales into a Hugging Face folder, and return it."""
    spec = importlib.util.spec_from_file_location("tales_tokenizer", TOKENIZER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tokenizer = module.build_tokenizer(vocabulary())
    config = hf.GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=N_CTX,
        n_embd=D_MODEL,
        n_layer=N_LAYERS,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hf.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its name there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def nothing_at(out: Path) -> bool:
    """Tell whether a run left nothing: no folder, no unfinished folder, no lock."""
    return not [path.name for path in out.parent.iterdir() if out.name in path.name]


def assert_refused(done: Done, out: Path, *said: object, code: int = 2) -> None:
    """Check that a command said all of this in one line, printed no result and left nothing."""
    assert (done.code, done.out) == (code, "")
    assert done.line.startswith("error: ")
    assert not [part for part in said if str(part) not in done.line], done.line
    assert nothing_at(out)
