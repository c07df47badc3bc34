"""Values to bytes and back, without pickle: the format of checkpoints and of saved results.

A record is ``MAGIC | crc32 of what follows | length of header | header (JSON) | raw array bytes``. The header is a
tree of tagged nodes; arrays lie after it and are referred to by offset. Supported: None, bool, int, float, str, bytes,
list, tuple, dict with any supported keys, NumPy arrays and scalars, random generators (`np.random.Generator` with
PCG64), enumerations and dataclasses of wilks, Space, and frozen distributions of scipy.stats.
Loading runs no code of the file: only dataclasses and enumerations defined in wilks are rebuilt.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import struct
import zlib
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from wilks.core.errors import CheckpointError
from wilks.core.prior import scipy_prior, scipy_prior_form
from wilks.core.space import Space

_MAGIC = b"WILKS\x01\r\n"
_HEAD = struct.Struct("<IQ")


def encode(value: object) -> bytes:
    """Return the bytes of a value.

    Raises
    ------
    TypeError
        If the value holds something that has no representation, such as a function.

    Examples
    --------
    >>> decode(encode({"x": np.arange(3), "y": (1.5, None)}))
    {'x': array([0, 1, 2]), 'y': (1.5, None)}
    """
    buffers: list[bytes] = []
    tree = _Writer(buffers).node(value)
    header = json.dumps(tree, separators=(",", ":")).encode()
    body = header + b"".join(buffers)
    return _MAGIC + _HEAD.pack(_checksum(len(header), body), len(header)) + body


def decode(data: bytes) -> Any:  # noqa: ANN401 - any supported value
    """Return the value of bytes made by `encode`.

    Raises
    ------
    CheckpointError
        If the bytes are not such a record, or are damaged.
    """
    start = len(_MAGIC) + _HEAD.size
    if data[: len(_MAGIC)] != _MAGIC or len(data) < start:
        raise CheckpointError("not a wilks record: the first bytes are wrong")
    checksum, length = _HEAD.unpack(data[len(_MAGIC) : start])
    body = memoryview(data)[start:]
    if _checksum(length, body) != checksum:
        raise CheckpointError("damaged wilks record: the checksum does not match (was it cut off while writing?)")
    return _Reader(body[length:]).value(json.loads(bytes(body[:length])))


def _checksum(length: int, body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(length.to_bytes(8, "little")))


def save(value: object, path: str | Path) -> None:
    """Write a value to a file that is either complete or not there.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(encode(value))
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error


def load(path: str | Path) -> Any:  # noqa: ANN401 - any supported value
    """Read a value written by `save`.

    Raises
    ------
    CheckpointError
        If the file is missing, unreadable, or not such a file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return decode(data)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


class _Writer:
    def __init__(self, buffers: list[bytes]) -> None:
        self._buffers = buffers
        self._offset = 0

    def node(self, value: object) -> Any:  # noqa: ANN401 - JSON
        if value is None or isinstance(value, (bool, str)) or (isinstance(value, int) and not isinstance(value, Enum)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else ["f", repr(value)]
        if isinstance(value, (np.ndarray, bytes)):
            return self._array(value)
        if isinstance(value, np.generic):
            return ["s", value.dtype.str, self._array(np.asarray(value).reshape(1))]
        if isinstance(value, list):
            return ["l", value if _is_plain(value) else [self.node(item) for item in value]]
        if isinstance(value, tuple):
            return ["t", [self.node(item) for item in value]]
        if isinstance(value, dict):
            return ["d", [[self.node(key), self.node(item)] for key, item in value.items()]]
        return self._object(value)

    def _array(self, value: np.ndarray | bytes) -> list[Any]:
        if isinstance(value, bytes):
            raw, kind, shape = value, "bytes", [len(value)]
        else:
            odd_dtype = value.dtype.hasobject or value.dtype.names or value.dtype.kind == "T"
            if odd_dtype or isinstance(value, np.ma.MaskedArray):
                kind = f"a {type(value).__name__} of dtype {value.dtype}"
                raise TypeError(f"{kind} cannot be saved; convert it to an array of numbers or of fixed-width text")
            raw, kind, shape = np.ascontiguousarray(value).tobytes(), value.dtype.str, list(value.shape)
        entry = ["a", kind, shape, self._offset, len(raw)]
        self._buffers.append(raw)
        self._offset += len(raw)
        return entry

    def _object(self, value: object) -> list[Any]:
        kind = type(value)
        if isinstance(value, Enum) and kind.__module__.startswith("wilks."):
            return ["e", kind.__module__, kind.__qualname__, value.name]
        if isinstance(value, np.random.Generator):
            return self._generator(value)
        if isinstance(value, Space):
            return ["space", [[name, self.node(value._entries[name])] for name in value.names]]  # noqa: SLF001 - a record of it
        scipy_form = scipy_prior_form(value)
        if scipy_form is not None:
            return ["scipy", *map(self.node, scipy_form)]
        if dataclasses.is_dataclass(value) and kind.__module__.startswith("wilks."):
            fields = [f for f in dataclasses.fields(value) if f.metadata.get("saved", True)]
            # What an object keeps, which is shorter than what a Grid gives on demand: four numbers for a long list.
            kept = getattr(value, "__dict__", {})
            saved = {f.name: self.node(kept[f.name] if f.name in kept else getattr(value, f.name)) for f in fields}
            return ["o", kind.__module__, kind.__qualname__, saved]
        raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} cannot be saved: {value!r:.80}")

    def _generator(self, value: np.random.Generator) -> list[Any]:
        bits = value.bit_generator
        seeds = getattr(bits, "seed_seq", None)
        if type(bits) is not np.random.PCG64 or not isinstance(seeds, np.random.SeedSequence):
            raise TypeError(
                f"a random generator with the bit generator {type(bits).__name__} cannot be saved; "
                "make it with numpy.random.default_rng(seed), or with numpy.random.PCG64 and a seed"
            )
        state: dict[str, Any] = dict(bits.state)
        numbers = [state["state"]["state"], state["state"]["inc"], state["has_uint32"], state["uinteger"]]
        return ["pcg64", [int(number) for number in numbers], self.node(seeds.state)]


def _is_plain(items: list[Any]) -> bool:
    """Are they numbers that JSON holds as they are? Long lists of these are most of a checkpoint."""
    kinds = set(map(type, items))
    return kinds <= {int, float} and (float not in kinds or all(map(math.isfinite, items)))


class _Reader:
    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer

    def value(self, node: Any) -> Any:  # noqa: ANN401 - JSON in, any supported value out
        if not isinstance(node, list):
            return node
        tag = node[0]
        if tag == "a":
            return self._array(node)
        if tag == "f":
            return float(node[1])
        if tag == "s":
            return self._array(node[2])[0]
        if tag == "l":
            return [self.value(item) for item in node[1]]
        if tag == "t":
            return tuple(self.value(item) for item in node[1])
        if tag == "d":
            return {self.value(key): self.value(item) for key, item in node[1]}
        if tag == "space":
            return Space({name: self.value(entry) for name, entry in node[1]})
        return self._object(node)

    def _array(self, node: list[Any]) -> Any:  # noqa: ANN401 - array or bytes
        _, kind, shape, offset, length = node
        raw = bytes(self._buffer[offset : offset + length])
        return raw if kind == "bytes" else np.frombuffer(raw, dtype=np.dtype(kind)).reshape(shape).copy()

    def _object(self, node: list[Any]) -> object:
        if node[0] == "scipy":
            return scipy_prior(*map(self.value, node[1:]))
        if node[0] == "pcg64":
            return self._generator(node)
        return self._member(node) if node[0] == "e" else self._dataclass(node)

    def _generator(self, node: list[Any]) -> np.random.Generator:
        _, (state, inc, has_uint32, uinteger), seeds = node
        bits = np.random.PCG64(np.random.SeedSequence(**self.value(seeds)))  # which only `spawn` will read
        bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": inc},
            "has_uint32": has_uint32,
            "uinteger": uinteger,
        }
        return np.random.Generator(bits)

    def _member(self, node: list[Any]) -> Enum:
        _, module, qualname, name = node
        kind = _wilks_type(module, qualname)
        if not issubclass(kind, Enum) or name not in kind.__members__:
            raise CheckpointError(f"the record names {module}.{qualname}.{name}, which cannot be loaded")
        return kind[name]

    def _dataclass(self, node: list[Any]) -> object:
        if node[0] != "o":
            raise CheckpointError(f"the record holds a value of the unknown kind {node[0]!r}")
        _, module, qualname, saved = node
        kind = _wilks_type(module, qualname)
        if not dataclasses.is_dataclass(kind):
            raise CheckpointError(f"the record names {module}.{qualname}, which cannot be loaded")
        made = object.__new__(kind)
        for spec in dataclasses.fields(kind):
            if spec.name in saved:
                item = self.value(saved[spec.name])
            elif spec.default_factory is not dataclasses.MISSING:
                item = spec.default_factory()
            else:
                item = None if spec.default is dataclasses.MISSING else spec.default
            object.__setattr__(made, spec.name, item)
        return made


def _wilks_type(module: str, qualname: str) -> type[Any]:
    if not module.startswith("wilks."):
        raise CheckpointError(f"the record names {module}.{qualname}; only values of wilks are loaded")
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        raise CheckpointError(
            f"the record holds a {module}.{qualname}, which this version of wilks does not have; "
            "open it with the version that wrote it"
        ) from None
    if not isinstance(found, type) or not found.__module__.startswith("wilks."):
        raise CheckpointError(f"the record names {module}.{qualname}; only values of wilks are loaded")
    return found
