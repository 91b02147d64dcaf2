"""The site: `make docs` builds it into docs/_build/html, with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "store"), str(HERE.parent / "cli")]

from vstore._version import __version__  # noqa: E402

project = "vstore"
copyright = "the vstore authors"
release = version = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click", "docs_tools.face", "docs_tools.site"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "man"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "vstore"
html_theme_options: dict[str, object] = {"top_of_page_buttons": []}
html_static_path = ["_static"]
html_css_files = ["vstore.css"]
smartquotes = False  # they make one dash of --store
html_copy_source = False
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
suppress_warnings = ["ref.python"]  # a report has a field that is called like a type: bytes
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
