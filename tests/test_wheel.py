"""The wheel holds all that the package needs: the built-in model, the page's templates, and every verb."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
USE = """
import sys, mechlab, mechlab.views.cards
assert mechlab.__file__.startswith(sys.argv[1]), mechlab.__file__
model = mechlab.load("tales")
print(model.spec.n_layers, len(mechlab.views.cards.environment().list_templates()))
"""


@pytest.mark.slow
def test_the_package_works_from_its_wheel(tmp_path: Path):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("mechlab-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", tmp_path / "site", wheel], check=True)
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{USE}"
    used = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    assert used.returncode == 0, used.stderr
    layers, templates = map(int, used.stdout.split())
    assert layers == 4 and templates > 0
