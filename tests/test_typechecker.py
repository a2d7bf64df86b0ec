"""Annotations are executed: no wrong type or shape gets past a function of the package, and all that is right does."""

import inspect
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
import torch
import typechecker
from jaxtyping import TypeCheckError

import mechlab.core.shapes

SOURCE = """
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing import no_type_check

if TYPE_CHECKING:
    from fractions import Fraction

Rows = Float[Tensor, "batch d_in"]


def halved(n: "Fraction") -> "list[Fraction]":
    return [n / 2]


def scaled(rows: Rows, factor: float = 1.0) -> Rows:
    return rows * factor


def paired(rows: Rows, others: Float[Tensor, "batch d_out"]) -> Float[Tensor, "d_out d_in"]:
    return others.T @ rows


def transposed(rows: Rows) -> Rows:
    return rows.T


def listed(rows: list[Rows] | None) -> int:
    return len(rows or [])


def alike(both: tuple[Rows, Rows]) -> None: ...


def quoted(rows: "Rows", others: "Rows") -> None: ...


def counted(n: int) -> str:
    return n if n > 1 else "one"


def outer(n: int) -> int:
    def inner(n: str) -> int:
        return len(n)

    return inner(n)


def halves(rows: Rows) -> Iterator[Rows]:
    yield from rows.chunk(2)


def sum_of_halves(rows: Rows) -> Rows:
    first, second = halves(rows)
    assert len(list(halves(first))) == 2
    return torch.cat([scaled(first), scaled(second)])


@no_type_check
def unchecked(rows: Rows) -> int:
    return rows


class Scale:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    @property
    def name(self) -> str:
        return self.factor

    @staticmethod
    def drawn(n: int) -> "Scale":
        return Scale(n) if n else None

    @classmethod
    def of(cls, rows: Rows) -> "Scale":
        return cls(rows.shape[1])


@dataclass(frozen=True)
class Pair:
    inputs: Rows
    codes: Int[Tensor, "batch k"]
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> ModuleType:
    """Return a module that was imported with the checks."""
    path = tmp_path_factory.mktemp("checked") / "few_functions.py"
    path.write_text(SOURCE)
    sys.path.insert(0, str(path.parent))
    typechecker.install("few_functions")
    import few_functions

    yield few_functions
    sys.meta_path.pop(0)
    sys.path.remove(str(path.parent))


def ones(*shape: int) -> torch.Tensor:
    return torch.ones(shape)


RIGHT = {
    "an int where a float is asked": lambda it: it.scaled(ones(2, 3), 2),
    "axes that agree": lambda it: it.paired(ones(2, 3), ones(2, 4)),
    "other lengths in another call": lambda it: it.paired(ones(5, 7), ones(5, 4)),
    "shapes of calls inside a call": lambda it: it.sum_of_halves(ones(6, 3)),
    "a square one transposed": lambda it: it.transposed(ones(3, 3)),
    "nothing where it may be": lambda it: it.listed(None),
    "what says that it is not checked": lambda it: it.unchecked("rows"),
    "a type imported for checks alone": lambda it: it.halved(Fraction(1)),
    "a dataclass": lambda it: it.Pair(ones(2, 3), ones(2, 1).int()),
    "methods": lambda it: (it.Scale.drawn(1), it.Scale.of(ones(1, 2))),
}
WRONG = {
    "a type": lambda it: it.scaled(ones(2, 3), "2"),
    "a number of axes": lambda it: it.scaled(ones(2)),
    "a kind of number": lambda it: it.scaled(ones(2, 3).int()),
    "axes of two parameters": lambda it: it.paired(ones(2, 3), ones(3, 4)),
    "axes of a parameter and what is returned": lambda it: it.transposed(ones(2, 3)),
    "a type imported for checks alone": lambda it: it.halved(1.0),
    "axes inside a list": lambda it: it.listed([ones(2)]),
    "axes inside a tuple": lambda it: it.alike((ones(2, 3), ones(2, 4))),
    "axes of annotations in quotes": lambda it: it.quoted(ones(2, 3), ones(2, 4)),
    "what is returned": lambda it: it.counted(2),
    "a function inside a function": lambda it: it.outer(3),
    "a method": lambda it: it.Scale("1"),
    "a property": lambda it: it.Scale(1.0).name,
    "a static method, its class not yet made": lambda it: it.Scale.drawn(0),
    "a class method": lambda it: it.Scale.of(ones(2)),
    "a generator": lambda it: it.halves(ones(2)),
    "a field of a dataclass": lambda it: it.Pair(ones(2, 3), ones(2, 1)),
    "axes of two fields": lambda it: it.Pair(ones(2, 3), ones(3, 1).int()),
}


@pytest.mark.parametrize("call", RIGHT.values(), ids=RIGHT)
def test_what_fits_passes(checked, call):
    call(checked)


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(checked, call):
    with pytest.raises(TypeCheckError):
        call(checked)


def test_a_refusal_says_where_and_functions_know_their_lines(checked):
    with pytest.raises(TypeCheckError, match=r"few_functions\.scaled\(\).*factor"):
        checked.scaled(ones(2, 3), "2")
    assert inspect.getsource(checked.paired).startswith("def paired(")


def test_what_has_checks_is_no_cache_for_what_has_none(checked):
    assert not Path(checked.__spec__.cached).exists()


def test_every_module_of_the_package_is_checked_and_no_other():
    loaders = [module.__spec__.loader for name, module in sys.modules.items() if name.partition(".")[0] == "mechlab"]
    assert mechlab.core.shapes.__spec__.loader in loaders
    assert all(isinstance(loader, typechecker.CheckingLoader) for loader in loaders)
    assert not isinstance(torch.__spec__.loader, typechecker.CheckingLoader)
