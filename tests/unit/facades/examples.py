"""Objectives and spaces that the tests of the facade share."""

import numpy as np

LINE = {"x": np.linspace(-10, 10, 101)}
PLANE = {"x": np.linspace(-10, 10, 101), "y": np.linspace(-10, 10, 101)}
BOX = {"x": (-5.0, 5.0), "y": (-5.0, 5.0)}


def hill(para):
    return -sum(value**2 for value in para.values())


def bowl(para):
    return 1.0 + sum(value**2 for value in para.values())


class Counted:
    """An objective that counts its calls without changing itself as seen from outside."""

    def __init__(self, function=hill):
        self.function = function
        self.calls = []

    def __call__(self, para):
        self.calls.append(dict(para))
        return self.function(para)

    def __reduce__(self):
        return Counted, (self.function,)
