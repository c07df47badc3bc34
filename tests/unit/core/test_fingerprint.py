"""The fingerprint: equal where behaviour is equal, in every interpreter; different where anything changes."""

import copy
import functools
import math
import os
import subprocess
import sys
import textwrap
from collections import deque
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from wilks.core.fingerprint import fingerprint

SOURCE = Path(__file__).parents[3] / "src"

BASE = """
import math
import numpy as np
from math import sin as wave

FACTOR = 2.0
TABLE = {"x": [1, 2], "y": (3.0, None)}
NODES = np.arange(4.0)
LEVELS = {"low", "middle", "high", "top"}

def helper(x):
    return x * FACTOR

def deeper(x):
    return helper(x) + 1

class Model:
    shift = 1.0

    def __init__(self, size):
        self.size = size

    def predict(self, x):
        return self.size * x + self.shift

    def __call__(self, values):
        return self.predict(values["x"])

def make(array):
    def inner(values, power=2):
        if values["x"] in {"low", "high", "middle"}:
            return 0.0
        model = Model(3.0)
        known = TABLE["x"][0] + NODES[1] + len(LEVELS)
        return known + float((array ** power).sum()) + deeper(values["x"]) + model.predict(wave(0.0))
    return inner

target = make(np.arange(3.0))
instance = Model(2.0)
"""


def load(source, name="users_module"):
    module = ModuleType(name)
    exec(compile(textwrap.dedent(source), f"{name}.py", "exec"), module.__dict__)
    return module


def of(source, attribute="target"):
    return fingerprint(getattr(load(source), attribute))


CHANGES = {
    "a global constant": ("FACTOR = 2.0", "FACTOR = 2.5"),
    "the code": ("** power).sum()", "** power).max()"),
    "a constant in the code": ("return 0.0", "return 0.5"),
    "a default argument": ("power=2", "power=3"),
    "a helper": ("return x * FACTOR", "return x / FACTOR"),
    "the helper of a helper": ("return helper(x) + 1", "return helper(x) + 2"),
    "an array in the closure": ("make(np.arange(3.0))", "make(np.arange(4.0))"),
    "one number in that array": ("make(np.arange(3.0))", "make(np.array([0.0, 1.0, 2.0 + 1e-15]))"),
    "its type": ("make(np.arange(3.0))", "make(np.arange(3))"),
    "a global array": ("NODES = np.arange(4.0)", "NODES = np.arange(4.0) + 1"),
    "a nested table": ('"x": [1, 2]', '"x": [1, 3]'),
    "a global set": ('"high", "top"', '"high", "peak"'),
    "a set in the code": ('{"low", "high", "middle"}', '{"low", "high", "lower"}'),
    "a function of another package": ("from math import sin as wave", "from math import cos as wave"),
    "a method of a class": ("return self.size * x + self.shift", "return self.size * x - self.shift"),
    "a class attribute": ("shift = 1.0", "shift = 1.5"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_changes_with(old, new):
    assert BASE.count(old) == 1
    assert of(BASE) != of(BASE.replace(old, new))


NEUTRAL = {
    "nothing": BASE,
    "comments and line numbers": "# a comment\n\n\n"
    + BASE.replace("def helper(x):", "# about it\n\ndef helper(x):  # here"),
    "an unrelated function": BASE + "\ndef unrelated(x):\n    return x\n",
    "the order of a dictionary": BASE.replace('{"x": [1, 2], "y": (3.0, None)}', '{"y": (3.0, None), "x": [1, 2]}'),
    "the order of a set": BASE.replace('"low", "middle", "high", "top"', '"top", "high", "low", "middle"'),
}


@pytest.mark.parametrize("source", NEUTRAL.values(), ids=NEUTRAL)
def test_does_not_change_with(source):
    assert of(source) == of(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("instance = Model(2.0)", "instance = Model(3.0)"),
        ("return self.size * x + self.shift", "return self.size * x"),
        ("shift = 1.0", "shift = 2.0"),
        ('return self.predict(values["x"])', 'return self.predict(values["y"])'),
    ],
)
def test_callable_objects_are_followed_into_state_and_methods(old, new):
    assert of(BASE, "instance") == of(BASE, "instance")
    assert of(BASE, "instance") != of(BASE.replace(old, new), "instance")


def test_slots_inheritance_properties_and_static_methods_are_seen():
    source = """
    class Base:
        def common(self):
            return 1
    class Slotted(Base):
        __slots__ = ("size",)
        def __init__(self):
            self.size = 5
        @property
        def twice(self):
            return 2 * self.size
        @staticmethod
        def three():
            return 3
        def __call__(self, values):
            return self.twice + self.three() + self.common()
    target = Slotted()
    """
    changes = [("size = 5", "size = 6"), ("2 * self", "4 * self"), ("return 3", "return 4"), ("return 1", "return 7")]
    for old, new in changes:
        assert of(source) != of(source.replace(old, new))


def test_stays_the_same_after_many_calls():
    """The interpreter rewrites the code of a hot function in place."""
    module = load(BASE)
    before = fingerprint(module.target)
    for _ in range(20000):
        module.target({"x": 1.0})
    assert fingerprint(module.target) == before


@pytest.mark.parametrize("options", [[], ["-B"], ["-O"]], ids=["plain", "no bytecode files", "optimised"])
def test_is_the_same_in_every_interpreter(tmp_path, options):
    (tmp_path / "users_module.py").write_text(BASE)
    command = (
        "import users_module as u; from wilks.core.fingerprint import fingerprint as f; "
        "print(f(u.target), f(u.instance), f(u.instance.predict))"
    )
    seen = set()
    for hash_seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{SOURCE}{os.pathsep}{tmp_path}"}
        done = subprocess.run(
            [sys.executable, *options, "-c", command], env=environment, capture_output=True, text=True, check=True
        )
        seen.add(done.stdout)
    module = load(BASE)
    expected = " ".join(fingerprint(x) for x in (module.target, module.instance, module.instance.predict))
    assert seen == {expected + "\n"}


def test_partials_and_methods():
    def function(values, scale):
        return scale

    def of_partial(*arguments, **keywords):
        return fingerprint(functools.partial(function, *arguments, **keywords))

    assert of_partial(scale=1.0) == of_partial(scale=1.0)
    assert len({of_partial(scale=1.0), of_partial(scale=2.0), of_partial(1.0), of_partial(math.sin)}) == 4
    assert of_partial(math.sin) != of_partial(math.cos)
    assert of_partial(np.sin) != of_partial(np.cos)


def holding(data):
    return lambda values: data


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (pd.DataFrame({"x": [1.0, 2.0]}), pd.DataFrame({"x": [1.0, 3.0]})),
        (pd.Series([1, 2]), pd.Series([1, 3])),
        (deque([1, 2]), deque([1, 3])),
        (np.float64(1.0), np.float32(1.0)),
        (np.array(["a", "b"]), np.array(["a", "c"])),
        ({1, 2}, {1, 3}),
        (b"ab", b"ac"),
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ([1, 2], (1, 2)),
        (slice(1, 2), slice(1, 3)),
        (SimpleNamespace(x=[1, 2]), SimpleNamespace(x=[1, 3])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_in_a_closure_is_told_apart(one, two):
    assert fingerprint(holding(one)) == fingerprint(holding(copy.deepcopy(one)))
    assert fingerprint(holding(one)) != fingerprint(holding(two))


def test_long_chains_of_helpers_are_followed_to_the_end():
    links = [f"def f{k}(v):\n    return f{k + 1}(v)\n" for k in range(20)]
    source = "\n".join(links) + "\ndef f20(v):\n    return {}\ntarget = f0\n"
    assert of(source.format("1.0")) != of(source.format("2.0"))


def test_recursion_and_cycles_end():
    source = """
    LOOP = []
    LOOP.append(LOOP)
    def odd(n):
        return LOOP if n else even(n - 1)
    def even(n):
        return odd(n - 1)
    """
    assert of(source, "odd") == of(source, "odd") != of(source, "even")


def test_equal_things_count_the_same_whether_they_are_one_object_or_two():
    one, two = np.arange(3.0), np.arange(3.0)

    def pair(a, b):
        return lambda v: (a, b)

    assert fingerprint(pair(one, one)) == fingerprint(pair(one, two))
