"""A torch archive is read without running anything in it; what is not tensors and settings is refused."""

import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from oracles import dunefsky_checkpoint
from torch import nn

from mechlab.core.errors import ArtifactError
from mechlab.store.torch_archive import Record, read_torch_archive

SETTINGS = "sae_training.config.LanguageModelSAERunnerConfig"
BASE = torch.arange(24.0).reshape(4, 6)


def saved(folder: Path, value: object, **options: object) -> Path:
    torch.save(value, folder / "file.pt", **options)
    return folder / "file.pt"


@pytest.mark.parametrize(
    "value",
    [
        {"a": BASE, "b": [1, -2, 2**40, 0.5, None, True, False, "text", "ü"], "c": (1, (2, 3, 4, 5), ())},
        OrderedDict(weight=nn.Parameter(BASE), bias=torch.zeros(0, 3)),
        {"transposed": BASE.T, "part": BASE[1:3, ::2], "row": BASE[2], "same": BASE, "scalar": torch.tensor(3.5)},
        {
            str(dtype): torch.ones(3, 2).to(dtype)
            for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.bool)
        },
        {str(dtype): torch.arange(5).to(dtype) for dtype in (torch.int64, torch.int32, torch.int8, torch.uint8)},
        nn.Linear(3, 2).state_dict(),
        [{"many": {f"key {n}": n for n in range(2000)}}] * 2,
    ],
    ids=["plain", "parameters", "views", "floats", "integers", "state_dict", "long"],
)
def test_tensors_and_plain_values_are_read_as_torch_reads_them(tmp_path: Path, value: object) -> None:
    path = saved(tmp_path, value)
    expected = torch.load(path, weights_only=True)
    found = read_torch_archive(path)
    pairs = [(found, expected)]
    n_tensors = 0
    while pairs:
        ours, theirs = pairs.pop()
        if isinstance(theirs, torch.Tensor):
            n_tensors += 1
            assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)
        elif isinstance(theirs, dict):
            assert list(ours) == list(theirs)
            pairs += [(ours[key], theirs[key]) for key in theirs]
        elif isinstance(theirs, list | tuple):
            assert type(ours) is type(theirs) and len(ours) == len(theirs)
            pairs += zip(ours, theirs, strict=True)
        else:
            assert ours == theirs and type(ours) is type(theirs)
    assert n_tensors or "many" in str(value)


def test_settings_become_records_although_their_class_is_nowhere(tmp_path: Path) -> None:
    state = dunefsky_checkpoint.state()
    dunefsky_checkpoint.save(tmp_path / "file.pt", state, lr=1e-3)
    found = read_torch_archive(tmp_path / "file.pt", records=[SETTINGS])
    assert isinstance(found["cfg"], Record) and found["cfg"].name == SETTINGS
    fields = found["cfg"].fields
    assert (fields["lr"], fields["dtype"], fields["device"], fields["use_ghost_grads"]) == (
        1e-3, "float32", "cpu", (False,),
    )  # fmt: skip
    assert all(torch.equal(found["state_dict"][name], value) for name, value in state.items())
    with pytest.raises(ArtifactError, match=f"the name {SETTINGS}"):
        read_torch_archive(tmp_path / "file.pt")


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.made = (call, arguments)

    def __reduce__(self):
        return self.made


@pytest.mark.parametrize("place", ["alone", "beside tensors", "as a tensor's part"])
@pytest.mark.parametrize("call", [os.system, eval, exec, open, __import__, print], ids=lambda call: call.__name__)
def test_a_malicious_file_is_refused_and_nothing_in_it_runs(tmp_path: Path, call: object, place: str) -> None:
    witness = tmp_path / "it ran"
    code = f"__import__('pathlib').Path({str(witness)!r}).touch()"
    evil = Malicious(call, f"touch '{witness}'" if call is os.system else str(witness) if call is open else code)
    if call is open:
        evil.made = (open, (str(witness), "w"))
    value = {"alone": evil, "beside tensors": {"cfg": evil, "state_dict": {"W_enc": BASE}}}.get(place)
    if value is None:
        value = Malicious(torch._utils._rebuild_tensor_v2, evil, 0, (1,), (1,), False, OrderedDict())
    path = saved(tmp_path, value)
    with pytest.raises(ArtifactError, match=r"more than tensors and settings: 'the name .*'\. It is not read"):
        read_torch_archive(path, records=[SETTINGS])
    assert not witness.exists()


def test_a_whole_module_and_a_class_that_only_shares_a_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"the name torch\.nn\.modules\.linear\.Linear"):
        read_torch_archive(saved(tmp_path, nn.Linear(2, 2)))
    with pytest.raises(ArtifactError, match="the name"):
        read_torch_archive(saved(tmp_path, {"cfg": Malicious}), records=[SETTINGS])


def rewritten(path: Path, change: object, **options: object) -> Path:
    """Return a copy of an archive in which every part went through `change(name, content)`."""
    copy = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w", **options) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return copy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name, content: content[:-8] if "/data/" in name else content, "another size than its bytes"),
        (lambda name, content: None if "/data/" in name else content, "damaged"),
        (lambda name, content: content[:-20] if name.endswith("pkl") else content, "damaged"),
        (lambda name, content: content.replace(b"K\x06K\x01\x86", b"K\xffK\x01\x86"), "outside its bytes"),
        (lambda name, content: None if name.endswith("pkl") else content, "0 parts called data.pkl"),
        (lambda name, content: b"\x80\x02(." if name.endswith("pkl") else content, "no single value"),
        (lambda name, content: b"\x80\x020." if name.endswith("pkl") else content, "the step POP"),
        (
            lambda name, content: b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R." if name[-3:] == "pkl" else content,
            "os.system",
        ),
        (lambda name, content: b"\x80\x02K\x01)R." if name.endswith("pkl") else content, "a call of what is no tensor"),
        (lambda name, content: b"\x80\x02K\x01Q." if name.endswith("pkl") else content, "damaged"),
    ],
    ids=["cut data", "no data", "cut program", "size", "no program", "mark", "pop", "os", "call", "reference"],
)
def test_a_damaged_or_crafted_file_is_one_line(tmp_path: Path, change: object, said: str) -> None:
    path = rewritten(saved(tmp_path, {"a": BASE.clone()}), change)
    with pytest.raises(ArtifactError, match=said):
        read_torch_archive(path)


def test_other_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a torch archive"):
        read_torch_archive(saved(tmp_path, {"a": BASE}, _use_new_zipfile_serialization=False))
    with pytest.raises(ArtifactError, match=r"cannot be read.*No such file"):
        read_torch_archive(tmp_path / "missing.pt")
    whole = saved(tmp_path, {"a": BASE})
    with pytest.raises(ArtifactError, match="compressed parts"):
        read_torch_archive(rewritten(whole, lambda _, content: content, compression=zipfile.ZIP_DEFLATED))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ArtifactError, match="not a torch archive"):
        read_torch_archive(whole)


def test_a_small_tensor_cannot_claim_to_be_large(tmp_path: Path) -> None:
    spread = torch.zeros(1).expand(10**9)
    with pytest.raises(ArtifactError, match="outside its bytes"):
        read_torch_archive(saved(tmp_path, {"a": spread}))
