"""Read the tensors of a PyTorch zip file, TorchScript archives included, without running anything that is in it.

OpenAI publishes CLIP as TorchScript archives. `torch.jit.load` runs the code in such a file, and this code could
overwrite any other file. Here the file is read as a zip archive with a pickle of the module tree, `data.pkl`, and the
raw values of each storage, `data/0`, `data/1`, and so on. The unpickler below accepts tensors and plain containers;
modules become records of their attributes, and anything else is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from zsris_viz.errors import CorruptFileError

PICKLE_LIMIT = 8 * 2**20  # bytes; the module tree of the largest published CLIP takes less than 1 MiB
OPCODE_LIMIT = 500_000
DEPTH_LIMIT = 64
_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
#: Entries of a training checkpoint that can hold the model's tensors.
STATE_ENTRIES = ("state_dict", "model")
_MEMO_WRITES = ("PUT", "BINPUT", "LONG_BINPUT")
_NEVER = ("INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "NEXT_BUFFER", "READONLY_BUFFER", "BYTEARRAY8")


@dataclass(frozen=True)
class _Storage:
    """Values of one dtype in one member of the zip archive."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class _TensorRecord:
    """Description of a tensor that has not been read yet: a strided view of a storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def span(self) -> int:
        """Return the number of storage elements from the first to the last element of the tensor, both included."""
        steps = ((length - 1) * step for length, step in zip(self.size, self.stride, strict=True))
        return 1 + sum(steps) if math.prod(self.size) else 0


class _ModuleRecord:
    """The attributes of a module in the archive; its class, and with it its code, is not loaded."""

    attributes: Any = None

    def __setstate__(self, state: Any) -> None:
        self.attributes = state


def is_zip(path: Path) -> bool:
    """Return whether the file begins with the signature of the zip files that PyTorch writes."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


class TensorArchive(Mapping[str, Tensor]):
    """The tensors of a file written by `torch.save` or `torch.jit.save`, each read when it is accessed.

    Tensors are not cached, so that a model can be filled without a second copy of its weights in memory.

    Args:
        path: The file.

    Attributes:
        is_torchscript: Whether the file is a TorchScript archive.

    Raises:
        CorruptFileError: If the file is damaged, or holds more than tensors, plain containers and modules.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, _TensorRecord] = {}
        try:
            with zipfile.ZipFile(path) as file:
                self._members = {member.filename: member for member in file.infolist()}
                root = self._root()
                self.is_torchscript = f"{root}constants.pkl" in self._members
                self._prefix = f"{root}data/"
                content = self._unpickle(file, f"{root}data.pkl")
            if isinstance(content, dict):  # a training checkpoint has other entries, too
                nested = (content[entry] for entry in STATE_ENTRIES if isinstance(content.get(entry), dict))
                content = next(nested, content)
            self._collect(content, "", 0)
        except CorruptFileError:
            raise
        except Exception as error:  # zipfile and pickle raise errors of many classes
            raise CorruptFileError(f"{path} is truncated or no weight file ({error}); fetch it again.") from error
        read = sum(math.prod(record.size) * record.storage.dtype.itemsize for record in self._records.values())
        if read > 2 * path.stat().st_size:
            self._refuse("its tensors are larger than the file")

    def _refuse(self, reason: str) -> NoReturn:
        raise CorruptFileError(
            f"{self.path} was refused: {reason}. Use a file that holds a state dict or an OpenAI archive, from a "
            "source that you trust."
        )

    def _root(self) -> str:
        """Return the folder in the zip archive that holds data.pkl, with a trailing slash."""
        found = [name for name in self._members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(found) != 1:
            self._refuse("it has no data.pkl, so PyTorch did not write it")
        return found[0].removesuffix("data.pkl")

    def _unpickle(self, file: zipfile.ZipFile, name: str) -> Any:
        if self._members[name].file_size > PICKLE_LIMIT:
            self._refuse(f"{name} is larger than {PICKLE_LIMIT} bytes")
        numbers = [member for path, member in self._members.items() if path.startswith(self._prefix)]
        if any(member.compress_type != zipfile.ZIP_STORED for member in (self._members[name], *numbers)):
            self._refuse("its tensors are compressed, which PyTorch never does")
        data = file.read(name)
        for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if opcode.name in _NEVER or number > OPCODE_LIMIT:
                self._refuse("its pickle is no description of tensors")
            if opcode.name in _MEMO_WRITES and int(argument or 0) > number:
                self._refuse("its pickle asks for more memory than it can use")
        return _Unpickler(io.BytesIO(data), self).load()

    def _collect(self, value: Any, name: str, depth: int) -> None:
        """Record the tensors of a module, or of a dictionary, under their dotted names."""
        if depth > DEPTH_LIMIT:
            self._refuse("its modules are nested too deeply")
        if isinstance(value, _TensorRecord):
            self._check(value, name)
            self._records[name] = value
        elif isinstance(value, _ModuleRecord):
            if not isinstance(value.attributes, dict):
                self._refuse(f"the module {name or 'at the top'} restores itself by code of its own")
            for key, entry in value.attributes.items():
                if isinstance(entry, (_TensorRecord, _ModuleRecord)):
                    self._collect(entry, f"{name}.{key}" if name else str(key), depth + 1)
        elif isinstance(value, dict) and depth == 0:
            for key, entry in value.items():
                if not isinstance(entry, _TensorRecord):
                    self._refuse(f"its entry {str(key)[:80]!r} is not a tensor")
                self._collect(entry, str(key).removeprefix("module."), depth + 1)
        else:
            self._refuse(f"it holds a {type(value).__name__.strip('_')} and no tensors by name")

    def _check(self, record: _TensorRecord, name: str) -> None:
        member = self._members.get(self._prefix + record.storage.key)
        expected = record.storage.count * record.storage.dtype.itemsize
        if member is None or member.file_size != expected or record.offset + record.span > record.storage.count:
            self._refuse(f"the numbers of the tensor {name!r} are missing or of another size")
        if math.prod(record.size) > record.storage.count:
            self._refuse(f"the tensor {name!r} is larger than its numbers")

    def __getitem__(self, name: str) -> Tensor:
        """Return a newly read copy of one tensor."""
        record = self._records[name]
        span = record.span
        flat = torch.empty(span, dtype=record.storage.dtype)
        start = self._members[self._prefix + record.storage.key].header_offset
        with self.path.open("rb") as file:
            file.seek(start + 26)  # the local header has 30 bytes, the last 4 for two lengths
            name_length, extra_length = struct.unpack("<HH", file.read(4))
            file.seek(start + 30 + name_length + extra_length + record.offset * flat.element_size())
            raw: Any = flat.view(torch.uint8).numpy()
            if file.readinto(raw) != raw.nbytes:
                self._refuse(f"the numbers of the tensor {name!r} are cut off")
        return flat.as_strided(record.size, record.stride)

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class _Unpickler(pickle.Unpickler):
    """An unpickler that accepts only what tensors, containers and modules need, and runs no code of the file."""

    def __init__(self, file: io.BytesIO, archive: TensorArchive) -> None:
        super().__init__(file)
        self._archive = archive

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module.split(".")[0] == "__torch__":
            return _ModuleRecord
        known = _KNOWN.get((module, name))
        if known is None:
            self._archive._refuse(f"it asks for {module}.{name}, and could run code when opened")
        return known

    def persistent_load(self, identifier: Any) -> _Storage:
        kind, dtype, key, _, count = identifier
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(count, int) or count < 0:
            self._archive._refuse("it refers to numbers in a way that PyTorch does not")
        return _Storage(str(key), dtype, count)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _TensorRecord:
    """Return a tensor record in place of the result of `torch._utils._rebuild_tensor_v2`."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, _Storage) or len(size) != len(stride):
        raise ValueError("a tensor without a storage")
    if not all(isinstance(number, int) and 0 <= number < 2**48 for number in numbers):
        raise ValueError("a tensor with an odd shape")
    return _TensorRecord(storage, offset, tuple(size), tuple(stride))


def _first(value: Any, *_: Any) -> Any:
    """Return the value inside a wrapper, such as a parameter or a list with a declared type."""
    return value


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch.jit._pickle", "restore_type_tag"): _first,
    ("torch.jit._pickle", "build_intlist"): _first,
    ("torch.jit._pickle", "build_doublelist"): _first,
    ("torch.jit._pickle", "build_boollist"): _first,
    ("torch.jit._pickle", "build_tensorlist"): _first,
}
