"""A function that uses a package is known by its code."""

import functools
import math
import types

import numpy as np

from wilks.solvers.mentions import mentions

PI = math.pi


def direct(v):
    return math.sin(v)


def through(v):
    return direct(v) + 1


def recursive(v):
    return recursive(v - 1) if v else 0


def inside(v):
    import math as m

    return m.cos(v)


def without(v):
    return np.exp(v) * PI


class Callable:
    def __call__(self, v):
        return math.tan(v)

    def method(self, v):
        return direct(v)


class Holder:
    def __init__(self, model):
        self.model = model

    def __call__(self, v):
        return self.model(v)


def closure(function):
    return lambda v: 1 + function(v)


def test_who_mentions_a_package():
    for function in (
        direct,
        through,
        inside,
        Callable(),
        Callable().method,
        Holder(direct),
        closure(direct),
        closure(closure(through)),
        functools.partial(through, 1),
        lambda v: [math.sin(x) for x in v],
        lambda v, f=direct: f(v),
    ):
        assert mentions(function, "math"), function


def test_who_does_not():
    for function in (without, recursive, Holder(without), closure(without), np.exp, len, 3.0, None):
        assert not mentions(function, "math"), function


def test_functions_are_found_by_way_of_a_module():
    module = types.ModuleType("mine")
    module.model = direct
    module.other = without
    assert mentions(lambda v: 1 + module.model(v), "math")
    assert not mentions(lambda v: 1 + module.other(v), "math")


def test_nothing_is_called():
    def explodes(v):
        raise AssertionError("called")

    assert not mentions(explodes, "math")
