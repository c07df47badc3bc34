"""Figures that are composed, but not painted: for tests that read the words around them."""

import base64

import pytest

_WHITE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAGzP4pgAAAABJRU5ErkJggg=="
)


def do_not_paint(patch: pytest.MonkeyPatch) -> None:
    """Let one white pixel stand for every picture of a report, and of an XPCS run."""
    for place in ("wilks.plots.style", "wilks.xpcs.pictures.collection"):
        patch.setattr(f"{place}.paletted_png", lambda figure: _WHITE_PIXEL)
