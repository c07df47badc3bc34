"""Configuration of the documentation."""

from importlib.metadata import version as installed_version

project = "wilks"
author = "The wilks developers"
copyright = "2026, The wilks developers"
version = release = installed_version("wilks")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_rtype = False

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"wilks {release}"
