"""What executes the annotations in tests: every value against its type, and the shapes of one call against one another.

1. An import hook puts `@check` below the other decorators of every function of a package, and above those of a class.
2. beartype checks parameters and what is returned; an int is accepted where a float is asked, as in Python itself.
3. A call of what names shapes is a scope of its own, in which axes of one name have one length.

jaxtyping's own hook reads the signature at every call and checks parameters twice, whether a shape is named or not.
"""

import ast
import dataclasses
import inspect
import sys
from collections.abc import Callable
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any, get_args

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, TypeCheckError, jaxtyped

typed = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeCheckError))


def check(thing: Any) -> Any:
    """Return a function that checks what it is given and what it returns; of a dataclass, what it is made of."""
    if inspect.isclass(thing):
        if dataclasses.is_dataclass(thing) and "__init__" in vars(thing):
            thing.__init__ = check(thing.__init__)
        return thing
    checked = typed(_called(thing) if inspect.isgeneratorfunction(thing) else thing)
    return _in_scope(checked) if any(map(_names_a_shape, thing.__annotations__.values())) else checked


def install(package: str) -> None:
    """Have all that is imported of a package from now on checked."""
    sys.meta_path.insert(0, CheckingFinder(package))


def _called(generator: Callable) -> Callable:
    """Return the function with no `yield` in it: parameters are checked when it is called, not when it goes on."""

    @wraps(generator)
    def called(*args: Any, **kwargs: Any) -> Any:
        return generator(*args, **kwargs)

    return called


def _in_scope(checked: Callable) -> Callable:
    @wraps(checked)
    def scoped(*args: Any, **kwargs: Any) -> Any:
        with jaxtyped("context"):
            return checked(*args, **kwargs)

    return scoped


def _names_a_shape(annotation: Any) -> bool:
    is_array = inspect.isclass(annotation) and issubclass(annotation, AbstractArray)
    return is_array or any(map(_names_a_shape, get_args(annotation)))


class Decorating(ast.NodeTransformer):
    """Puts the decorator where it sees the annotations, and of a class what other decorators have made of it."""

    def __init__(self, *, of_package: bool) -> None:
        self.of_package = of_package

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if any(ast.unparse(one) == "no_type_check" for one in node.decorator_list):
            return node
        self.generic_visit(node)
        node.decorator_list.append(_decorator())
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.decorator_list.insert(0, _decorator())
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        """Have a module import what it names in annotations only; a package imports that when it is asked for it."""
        self.generic_visit(node)
        if ast.unparse(node.test) == "TYPE_CHECKING" and not self.of_package:
            node.test = ast.Constant(True)
        return node


def _decorator() -> ast.expr:
    module = ast.Call(ast.Name("__import__", ast.Load()), [ast.Constant(__name__)], [])
    return ast.Attribute(module, check.__name__, ast.Load())


class CheckingLoader(SourceFileLoader):
    """Loads a module with its checks, always from its source."""

    def source_to_code(self, data: Any, path: Any, **options: Any) -> Any:
        decorating = Decorating(of_package=self.is_package(self.name))
        tree = ast.fix_missing_locations(decorating.visit(ast.parse(data)))
        return compile(tree, path, "exec", dont_inherit=True)

    def path_stats(self, path: str) -> Any:
        raise OSError("what is compiled with checks and what is compiled without have no cache in common")


class CheckingFinder(MetaPathFinder):
    """Finds the modules of one package for the loader."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self.package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = CheckingLoader(spec.loader.name, spec.loader.path)
        return spec
