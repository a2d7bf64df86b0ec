"""A `torch.save` file read without unpickling it: a reader of our own that knows tensors and plain values.

1. The file is a zip whose `data.pkl` is a program for a stack machine; its steps are read by `pickletools`, never run.
2. Steps that build numbers, texts, lists, tuples and dictionaries are followed.
3. A name of a class or function is looked up in a short list; one that is not there ends the reading.
4. What the list holds is ours: tensors over the zip's own bytes, ordered dictionaries, and records of settings.
"""

import math
import pickletools
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError

MARK = object()
LONGEST_PROGRAM = 64_000_000
DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
PLAIN = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: MARK,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class Record:
    """The settings of an object whose class is not needed: its name, and its fields."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)


def read_torch_archive(path: Path, records: Collection[str] = ()) -> Any:
    """Return what a `torch.save` file holds: plain values, tensors, and records.

    Args:
        path: the file, in the zip format that torch has written since 2020.
        records: full names of classes whose objects become records; no such class is looked for.

    Raises:
        ArtifactError: the file is missing, damaged or of the older format, or it names anything but tensors, plain
            values and these records; the message says what.
    """
    try:
        with zipfile.ZipFile(path) as archive, _explained(path):
            program = _only(archive, "data.pkl")
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise _refused("compressed parts")
            if archive.getinfo(program).file_size > LONGEST_PROGRAM:
                raise _refused("a program too long for tensors' names and settings")
            folder = program.removesuffix("data.pkl")
            machine = _Machine(lambda key: archive.read(f"{folder}data/{key}"), records)
            return machine.follow(archive.read(program))
    except zipfile.BadZipFile:
        remedy = "Only the zip format of torch.save is read."
        raise ArtifactError("checkpoint is not a torch archive", value=str(path), remedy=remedy) from None
    except OSError as error:
        raise ArtifactError("checkpoint cannot be read", value=str(path), remedy=f"{error.strerror}.") from None


class _Machine:
    """The stack and the memory of one reading."""

    def __init__(self, read: Callable[[str], bytes], records: Collection[str]) -> None:
        self._read, self._records = read, frozenset(records)
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._storages: dict[str, Tensor] = {}

    def follow(self, program: bytes) -> Any:
        """Return what the program builds."""
        for opcode, argument, _ in pickletools.genops(program):
            if opcode.name == "STOP":
                if len(self._stack) != 1 or self._stack[0] is MARK:
                    raise _refused("a program that builds no single value")
                return self._stack[0]
            self._step(opcode.name, argument)
        raise _refused("a program without an end")

    def _step(self, name: str, argument: Any) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name in PLAIN:
            self._stack.append(argument)
        elif name in CONSTANTS:
            self._stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            n = TUPLES[name]
            self._stack[-n:] = [tuple(self._stack[-n:])]
        elif (step := getattr(self, f"_{name.lower()}", None)) is not None:
            step(argument)
        else:
            raise _refused(f"the step {name}")

    def _binput(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    _long_binput = _binput

    def _memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _binget(self, place: int) -> None:
        self._stack.append(self._memo[place])

    _long_binget = _binget

    def _tuple(self, _: None) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _append(self, _: None) -> None:
        value = self._stack.pop()
        self._container(list).append(value)

    def _appends(self, _: None) -> None:
        values = self._since_mark()
        self._container(list).extend(values)

    def _setitem(self, _: None) -> None:
        key, value = self._stack.pop(-2), self._stack.pop()
        self._container(dict)[key] = value

    def _setitems(self, _: None) -> None:
        values = self._since_mark()
        self._container(dict).update(zip(values[::2], values[1::2], strict=True))

    def _global(self, name: str) -> None:
        self._stack.append(self._named(*name.split(" ", 1)))

    def _stack_global(self, _: None) -> None:
        module, name = self._stack.pop(-2), self._stack.pop()
        self._stack.append(self._named(module, name))

    def _newobj(self, _: None) -> None:
        arguments, made = self._stack.pop(), self._stack.pop()
        if not isinstance(made, _Maker) or arguments != ():
            raise _refused("an object made of arguments")
        self._stack.append(made.make())

    def _reduce(self, _: None) -> None:
        arguments, made = self._stack.pop(), self._stack.pop()
        if not isinstance(made, _Maker) or not isinstance(arguments, tuple):
            raise _refused("a call of what is no tensor")
        self._stack.append(made.make(*arguments))

    def _build(self, _: None) -> None:
        state, built = self._stack.pop(), self._stack[-1]
        if isinstance(built, dict):
            return  # what a module's state says of versions
        if not isinstance(built, Record) or not isinstance(state, dict):
            raise _refused("an object with a state of its own")
        built.fields.update(state)

    def _binpersid(self, _: None) -> None:
        kind, dtype, key, _where, n = self._stack.pop()
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise _refused("a reference to what is no tensor")
        if key not in self._storages:
            content = bytearray(self._read(str(key)))
            self._storages[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        if self._storages[key].dtype != dtype or len(self._storages[key]) != n:
            raise _refused("a tensor of another size than its bytes")
        self._stack.append(self._storages[key])

    def _named(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return name
        if full in MAKERS:
            return MAKERS[full]
        if full in self._records:
            return _Maker(lambda: Record(full))
        raise _refused(f"the name {full}")

    def _container(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise _refused("a step for another container")
        return self._stack[-1]

    def _since_mark(self) -> list[Any]:
        place = max(place for place, value in enumerate(self._stack) if value is MARK)
        values = self._stack[place + 1 :]
        del self._stack[place:]
        return values


@dataclass(frozen=True)
class _Maker:
    """One of the few things a program may call: a function of ours."""

    make: Callable[..., Any]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    shape_fits = isinstance(storage, Tensor) and len(size) == len(stride) and min((offset, *size, *stride)) >= 0
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
    if not shape_fits or math.prod(size) > len(storage) or (math.prod(size) > 0 and last >= len(storage)):
        raise _refused("a tensor that lies outside its bytes")
    return storage.as_strided(size, stride, offset).clone()


MAKERS = {
    "torch._utils._rebuild_tensor_v2": _Maker(_tensor),
    "torch._utils._rebuild_parameter": _Maker(lambda value, *_: value),
    "torch.device": _Maker(lambda *names: ":".join(map(str, names))),
    "collections.OrderedDict": _Maker(dict),
}


def _refused(what: str) -> ArtifactError:
    return ArtifactError("checkpoint holds more than tensors and settings", value=what, remedy="It is not read.")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what a broken program or a missing part leads to into one line."""
    try:
        yield
    except (KeyError, IndexError, ValueError, TypeError, RuntimeError, EOFError) as error:
        raise ArtifactError("checkpoint is damaged", value=str(path), remedy=f"{error}.") from None


def _only(archive: zipfile.ZipFile, name: str) -> str:
    found = [entry for entry in archive.namelist() if entry.rpartition("/")[2] == name]
    if len(found) != 1:
        raise _refused(f"{len(found)} parts called {name}")
    return found[0]
