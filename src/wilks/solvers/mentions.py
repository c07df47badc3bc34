"""Does a function use a package? Seen from its code, without calling it: a call of a user's function may be dear."""

from __future__ import annotations

import functools
import types
from typing import Any

_DEPTH = 12


def mentions(function: object, package: str) -> bool:
    """Tell whether a function, or one that it names, refers to a package or to an object of it.

    Looked at are the names in its code, nested functions, closures, default values, partial functions, methods and
    callable objects, and the functions that all of these name, also by way of a module.

    Examples
    --------
    >>> import math
    >>> def area(radius):
    ...     return math.pi * radius**2
    >>> mentions(area, "math"), mentions(lambda r: area(r), "math"), mentions(area, "jax")
    (True, True, False)
    """
    return _Search(package).found(function, 0)


class _Search:
    def __init__(self, package: str) -> None:
        self.package = package
        self.seen: set[int] = set()

    def found(self, item: object, depth: int) -> bool:
        if depth > _DEPTH or id(item) in self.seen:
            return False
        self.seen.add(id(item))
        if isinstance(item, types.ModuleType):
            return self._is_own(item.__name__)
        if self._is_own(type(item).__module__):
            return True
        if isinstance(item, functools.partial):
            parts: list[Any] = [item.func, *item.args, *item.keywords.values()]
            return any(self.found(part, depth + 1) for part in parts)
        if isinstance(item, types.MethodType):
            return self.found(item.__func__, depth) or self._in_attributes(item.__self__, depth)
        if isinstance(item, types.FunctionType):
            return self._in_function(item, depth)
        if callable(item) and not isinstance(item, (type, types.BuiltinFunctionType)):
            call = getattr(type(item), "__call__", None)  # noqa: B004 - the function is what is looked at
            return self.found(call, depth + 1) or self._in_attributes(item, depth)
        return False

    def _is_own(self, module: str) -> bool:
        return module.split(".", maxsplit=1)[0] in (self.package, f"{self.package}lib")

    def _in_attributes(self, item: object, depth: int) -> bool:
        return any(self.found(value, depth + 1) for value in getattr(item, "__dict__", {}).values())

    def _in_function(self, function: types.FunctionType, depth: int) -> bool:
        names = _names(function.__code__)
        if any(self._is_own(name) for name in names if name not in function.__globals__):  # imported inside
            return True
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        named = [function.__globals__[name] for name in names if name in function.__globals__]
        modules = [item for item in named + cells if isinstance(item, types.ModuleType)]
        reached = [
            getattr(module, name) for module in modules for name in names if name in getattr(module, "__dict__", {})
        ]
        reached = [item for item in reached if isinstance(item, types.FunctionType)]
        return any(self.found(item, depth + 1) for item in [*named, *cells, *reached, *(function.__defaults__ or ())])


def _names(code: types.CodeType) -> set[str]:
    """Names in a function and in those that are defined in it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
