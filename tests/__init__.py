"""Tests; `from tests.catalogue import ...` gives the algorithms and problems that they share."""
