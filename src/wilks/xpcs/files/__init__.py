"""Two-time correlations in files: what is in them, how they become a measurement, and how one is written."""

from wilks.xpcs.files.angles import parse_angles
from wilks.xpcs.files.contents import FileContents
from wilks.xpcs.files.options import ReadOptions
from wilks.xpcs.files.reading import describe, read
from wilks.xpcs.files.writing import write

__all__ = ["FileContents", "ReadOptions", "describe", "parse_angles", "read", "write"]
