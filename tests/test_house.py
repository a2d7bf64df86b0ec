"""The house rules that a machine can check: sizes, mirrors, names, and what may be imported when."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "mechlab").rglob("*.py"))
ALL_SOURCES = SOURCES + sorted((ROOT / "experiments").rglob("*.py"))
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
TOP_LEVEL = {
    "pyproject.toml",
    "Makefile",
    "README.md",
    "constraints.txt",
    "mechlab",
    "experiments",
    "tests",
    "notebooks",
}


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return body[-1].end_lineno - body[0].lineno + 1


@pytest.mark.parametrize("path", ALL_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_thought(path: Path):
    lines = path.read_text().count("\n")
    assert lines <= 350, f"{lines} lines"
    assert ast.get_docstring(ast.parse(path.read_text())), "no opening sentence"
    assert path.stem not in BANNED_NAMES
    for node in functions(path):
        size = node.end_lineno - node.lineno + 1
        assert size <= 60, f"{node.name}: {size} lines"
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        assert len([a for a in arguments if a.arg not in ("self", "cls")]) <= 7, f"{node.name}: too many arguments"


def test_functions_are_sentences():
    lengths = [length(node) for path in SOURCES for node in functions(path)]
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def test_every_module_has_its_mirror_test():
    missing = []
    for path in SOURCES:
        relative = path.relative_to(ROOT / "mechlab")
        if path.name in ("__init__.py", "__main__.py"):
            continue
        if not (ROOT / "tests" / relative.parent / f"test_{path.name}").exists():
            missing.append(str(relative))
    assert not missing, missing


def test_every_mirror_test_has_its_module():
    rooms = {path.name for path in (ROOT / "mechlab").iterdir() if path.is_dir()}
    orphans = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        relative = path.relative_to(ROOT / "tests")
        if relative.parts[0] not in rooms or path.name == "test_laws.py":
            continue
        if not (ROOT / "mechlab" / relative.parent / path.name.removeprefix("test_")).exists():
            orphans.append(str(relative))
    assert not orphans, orphans


def test_the_top_level_holds_nothing_else():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    if listed == [""]:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in listed if line}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_tracked_text_speaks_of_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    needles = ["/" + "work/", "/" + "root/", "/" + "farm/", "/" + "tmp/bash"]
    for name in listed:
        if Path(name).suffix in (".py", ".md", ".toml", ".yaml", ".json", ".jinja", ".ipynb", ".txt", ".js", ".css"):
            text = (ROOT / name).read_text(errors="ignore")
            assert not [needle for needle in needles if needle in text], name


HEAVY = ("torch", "transformers", "transformer_lens", "sae_lens", "datasets", "plotly", "sklearn", "scipy", "numpy")


def loaded_by(code: str) -> set[str]:
    report = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_and_its_verbs_loads_nothing_heavy():
    assert loaded_by("import mechlab") == set()
    assert loaded_by("from mechlab.verbs import VERBS; [VERBS[name] for name in VERBS]") == set()
    assert loaded_by("import mechlab.core.runtime") == {"torch", "numpy"} | loaded_by("import torch")
