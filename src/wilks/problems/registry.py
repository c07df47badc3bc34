"""Analytic test problems by name, such as ``"levy_4d"`` or ``"himmelblau_4d_shift_gaussian"``."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, cast, get_args

from wilks.core.errors import InvalidConfigurationError
from wilks.problems.analytic import banana, rippled, two_islands
from wilks.problems.entangled import ackley, beale_2d, eggholder, griewank
from wilks.problems.nonseparable import bounded_coupled_4d, rippled_coupled_4d, rotated_4d
from wilks.problems.nuisances import Constraint, Mode, with_nuisances
from wilks.problems.quadratic import bounded, gaussian
from wilks.problems.rosenbrock import rosenbrock
from wilks.problems.separable import michalewicz, schwefel, sphere, styblinski_tang
from wilks.problems.textbook import himmelblau_4d, levy, rastrigin

if TYPE_CHECKING:
    from collections.abc import Callable

    from wilks.problems.known import KnownProblem

_SINGLE: dict[str, Callable[[], KnownProblem]] = {
    "himmelblau_4d": himmelblau_4d,
    "beale_2d": beale_2d,
    "rotated_4d": rotated_4d,
    "bounded_coupled_4d": bounded_coupled_4d,
    "rippled_coupled_4d": rippled_coupled_4d,
    "banana": banana,
    "two_islands": two_islands,
    "rippled": rippled,
}

# Functions of any number of parameters, and the numbers that are listed.
_FAMILIES: dict[str, tuple[Callable[[int], KnownProblem], tuple[int, ...]]] = {
    "sphere": (sphere, (2, 4, 6, 10)),
    "rosenbrock": (rosenbrock, (2, 4, 6, 10)),
    "rastrigin": (rastrigin, (2, 4, 6, 10)),
    "ackley": (ackley, (2, 4, 6, 10)),
    "griewank": (griewank, (2, 4, 6, 10)),
    "michalewicz": (michalewicz, (2, 4, 6, 10)),
    "styblinski_tang": (styblinski_tang, (2, 4, 6, 10)),
    "levy": (levy, (2, 4, 6, 10)),
    "schwefel": (schwefel, (2, 4, 6, 10)),
    "eggholder": (eggholder, (2, 4, 6)),
    "gaussian": (gaussian, (3, 10)),
    "bounded": (bounded, (4,)),
}

# Every mode with every constraint.
_WITH_NUISANCES = (
    "himmelblau_4d_shift_gaussian",
    "styblinski_tang_2d_shift_uniform",
    "rastrigin_2d_shift_soft_uniform",
    "rosenbrock_2d_scale_gaussian",
    "himmelblau_4d_scale_uniform",
    "sphere_4d_scale_soft_uniform",
    "himmelblau_4d_rotation_gaussian",
    "beale_2d_rotation_uniform",
    "levy_2d_rotation_soft_uniform",
    "ackley_2d_additive_gaussian",
    "griewank_2d_additive_uniform",
    "himmelblau_4d_additive_soft_uniform",
    "styblinski_tang_2d_mixed_gaussian",
    "rosenbrock_2d_mixed_uniform",
    "levy_2d_mixed_soft_uniform",
)

_NUISANCES = re.compile(rf"(.+)_({'|'.join(get_args(Mode))})_({'|'.join(get_args(Constraint))})")
_FAMILY = re.compile(r"(.+)_([1-9]\d*)d")


def list_test_functions() -> tuple[str, ...]:
    """Return the names that `test_function` knows, the number of parameters of a family being an example.

    Examples
    --------
    >>> names = list_test_functions()
    >>> "levy_4d" in names, "himmelblau_4d_shift_gaussian" in names
    (True, True)
    """
    families = [f"{name}_{n}d" for name, (_, sizes) in _FAMILIES.items() for n in sizes]
    return (*families, *_SINGLE, *_WITH_NUISANCES)


def test_function(name: str) -> KnownProblem:
    """Make an analytic test problem by its name.

    Parameters
    ----------
    name
        One of `list_test_functions`; a family with another number of parameters, such as ``"rosenbrock_8d"``; or any
        of these with nuisance parameters, ``"<name>_<mode>_<constraint>"`` as in `with_nuisances`: two of them, or
        three in the mode ``mixed``.

    Raises
    ------
    InvalidConfigurationError
        If there is none of this name.

    Examples
    --------
    >>> known = test_function("himmelblau_4d")
    >>> known.problem.name, len(known.maxima)
    ('himmelblau_4d', 16)
    >>> test_function("himelblau_4d")
    Traceback (most recent call last):
    ...
    wilks.core.errors.InvalidConfigurationError: unknown test function 'himelblau_4d', did you mean 'himmelblau_4d'?
    """
    if name in _SINGLE:
        return _SINGLE[name]()
    if match := _NUISANCES.fullmatch(name):
        # The pattern is made of the modes and constraints there are.
        mode, constraint = cast("Mode", match[2]), cast("Constraint", match[3])
        return with_nuisances(test_function(match[1]), 3 if mode == "mixed" else 2, mode=mode, constraint=constraint)
    if (match := _FAMILY.fullmatch(name)) and match[1] in _FAMILIES:
        return _FAMILIES[match[1]][0](int(match[2]))
    near = difflib.get_close_matches(name, list_test_functions(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see wilks.problems.list_test_functions()"
    raise InvalidConfigurationError(f"unknown test function {name!r}, {hint}")


test_function.__test__ = False  # type: ignore[attr-defined]  # the name is not that of a test
