"""A stable fingerprint of a user's function, so that a run file is never continued with another one.

The fingerprint covers the compiled code, constants, defaults, the contents of closures, and, recursively,
the functions, classes and plain data of the same package that the function names. It is the same in
every interpreter, does not depend on line numbers, comments or addresses, and reads no source file.
It changes when the code changes, and may change with the minor version of Python.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_MAX_DEPTH = 32
_PLAIN = (bool, int, float, str, bytes, tuple, list, dict, set, frozenset, np.ndarray, np.generic)
_NOT_BEHAVIOUR = {"__doc__", "__module__", "__firstlineno__", "__annotations__", "__static_attributes__"}


def fingerprint(*objects: object) -> str:
    """Return 16 hexadecimal digits that identify functions and plain data.

    Examples
    --------
    >>> fingerprint(lambda v: v["x"] + 1) == fingerprint(lambda v: v["x"] + 1)
    True
    >>> fingerprint(lambda v: v["x"] + 1) == fingerprint(lambda v: v["x"] + 2)
    False
    """
    digest = hashlib.sha256()
    walker = _Walker(digest, {_package(item) for item in objects} - set(sys.stdlib_module_names))
    for item in objects:
        walker.add(item, 0)
    return digest.hexdigest()[:16]


class _Walker:
    """Feeds a digest with everything that defines an object's behaviour."""

    def __init__(self, digest: hashlib._Hash, own: set[str]) -> None:
        self._digest = digest
        self._own = own  # packages of the user, whose classes are followed too
        # Digests by identity, so that it makes no difference whether two equal things are one object or two. The
        # objects are kept alive, so that no identity is used twice.
        self._known: dict[int, tuple[object, bytes]] = {}
        self._open: set[int] = set()  # being walked: a cycle ends here

    def _text(self, text: str) -> None:
        self._digest.update(text.encode(errors="backslashreplace") + b"\x00")

    def add(self, item: object, depth: int) -> None:
        self._text(type(item).__qualname__)
        if item is None or isinstance(item, (bool, int, float, complex, str, bytes, types.ModuleType)):
            self._text(item.__name__ if isinstance(item, types.ModuleType) else repr(item))
            return
        if id(item) not in self._known:
            if depth > _MAX_DEPTH or id(item) in self._open:
                return
            self._open.add(id(item))
            outer, self._digest = self._digest, hashlib.sha256()
            self._contents(item, depth)
            self._known[id(item)] = (item, self._digest.digest())
            self._digest = outer
            self._open.discard(id(item))
        self._digest.update(self._known[id(item)][1])

    def _contents(self, item: object, depth: int) -> None:
        if isinstance(item, (np.ndarray, np.generic)):
            self._array(np.asarray(item))
        elif isinstance(item, (list, tuple)):
            self._many(item, depth)
        elif isinstance(item, (set, frozenset)):
            self._many(sorted(item, key=repr), depth)
        elif isinstance(item, dict):
            for key in sorted(item, key=repr):
                self._text(repr(key))
                self.add(item[key], depth + 1)
        else:
            self._object(item, depth)

    def _many(self, items: Iterable[object], depth: int) -> None:
        for item in items:
            self.add(item, depth + 1)

    def _array(self, array: np.ndarray[Any, Any]) -> None:
        self._text(f"{array.dtype}{array.shape}")
        if array.dtype.hasobject:
            self._text(repr(array.tolist()))
        else:
            self._digest.update(np.ascontiguousarray(array).tobytes())

    def _object(self, item: object, depth: int) -> None:
        if isinstance(item, functools.partial):
            self._many([item.func, item.args, item.keywords], depth)
        elif isinstance(item, types.MethodType):
            self._many([item.__func__, item.__self__], depth)
        elif isinstance(item, types.FunctionType):
            self._function(item, depth)
        elif isinstance(item, types.CodeType):
            self._code(item, depth)
        elif isinstance(item, type):
            self._class(item, depth)
        else:
            self._instance(item, depth)

    def _class(self, kind: type, depth: int) -> None:
        """Follow the methods of the user's own classes; of others only the name counts."""
        self._text(_full_name(kind))
        if kind.__module__.partition(".")[0] not in self._own:
            return
        for base in kind.__mro__[1:]:
            self.add(base, depth + 1)
        for name, member in sorted(vars(kind).items()):
            inner = [member.__func__] if isinstance(member, (staticmethod, classmethod)) else [member]
            if isinstance(member, property):
                inner = [member.fget, member.fset]
            for each in inner:
                if isinstance(each, (types.FunctionType, *_PLAIN)) and name not in _NOT_BEHAVIOUR:
                    self._text(name)
                    self.add(each, depth + 1)

    def _instance(self, item: object, depth: int) -> None:
        kind = type(item)
        self._text(f"{_full_name(item)}{kind.__module__}.{kind.__qualname__}")
        self.add(kind, depth + 1)
        wrapped = getattr(item, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):
            self.add(wrapped, depth + 1)
        if kind.__reduce__ is object.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__:
            slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
            state = {name: getattr(item, name) for name in slots if name != "__dict__" and hasattr(item, name)}
            self.add({**state, **getattr(item, "__dict__", {})}, depth + 1)
        else:
            self._reduced(item, depth)

    def _reduced(self, item: object, depth: int) -> None:
        """Objects that know how to be pickled, such as arrays of other packages: what they would be rebuilt from."""
        try:
            parts = item.__reduce_ex__(2)
        except (TypeError, AttributeError, ValueError, pickle.PicklingError):
            parts = (getattr(item, "__dict__", None),)
        if isinstance(parts, tuple):
            self._many([list(part) if isinstance(part, Iterator) else part for part in parts], depth)

    def _function(self, function: types.FunctionType, depth: int) -> None:
        self._text(function.__qualname__)
        self._code(function.__code__, depth)
        self._many([function.__defaults__, function.__kwdefaults__], depth)
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents, depth + 1)
            except ValueError:  # a cell that is still empty
                self._text("empty")
        package = (function.__module__ or "").partition(".")[0]
        for name in _named(function.__code__):
            if name in function.__globals__:
                self._global(name, function.__globals__[name], package, depth)

    def _global(self, name: str, item: object, package: str, depth: int) -> None:
        """Follow what belongs to the user's own package; of other packages only the name counts."""
        self._text(f"{name}={_full_name(item)}")
        module = getattr(item, "__module__", None)
        own = isinstance(module, str) and module.partition(".")[0] == package
        if isinstance(item, _PLAIN) or (own and package not in sys.stdlib_module_names):
            self.add(item, depth + 1)

    def _code(self, code: types.CodeType, depth: int) -> None:
        self._digest.update(code.co_code)
        self._text(repr((code.co_names, code.co_varnames, code.co_freevars)))
        self._many(code.co_consts, depth)


def _package(item: object) -> str:
    """Top-level package of a user's function or callable object."""
    if isinstance(item, functools.partial):
        return _package(item.func)
    module = item.__module__ if isinstance(item, (types.FunctionType, type)) else type(item).__module__
    return str(module).partition(".")[0]


def _full_name(item: object) -> str:
    """Module and name of a module, class or function; empty for anything else."""
    name = getattr(item, "__qualname__", getattr(item, "__name__", ""))
    module = getattr(item, "__module__", None)
    return f"{module}.{name}" if isinstance(name, str) and name else ""


def _named(code: types.CodeType) -> list[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += _named(constant)
    return sorted(set(names))
