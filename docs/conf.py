"""How the documentation is built: ``make docs``. Nothing is fetched, neither here nor when it is read."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import streamgmm

HERE = Path(__file__).parent

# Cells that call the command line find the one that belongs to this Python.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# IPython runs what lies in this folder before the cells of a page.
os.environ["IPYTHONDIR"] = str(HERE / "_build" / "ipython")
startup = HERE / "_build" / "ipython" / "profile_default" / "startup"
startup.mkdir(parents=True, exist_ok=True)
shutil.copy(HERE / "_shell_cells.py", startup)

project = "streamgmm"
author = "The streamgmm developers"
release = version = streamgmm.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    # Formulas by a copy of MathJax in the pages, not from a server. Browsers read MathML without it, but the
    # translation to MathML that docutils has reads \frac12 as 12 over whatever follows.
    "sphinx-mathjax-offline",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.py.md5", "gallery/*.zip"]
templates_path = ["_templates"]
default_role = "py:obj"  # docstrings put names between single backticks

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "remove-warn"  # and with -W an error: a page shows no warning that it does not mean to

autodoc_default_options = {
    "members": True,
    "member-order": "groupwise",
    # scikit-learn's, with links into its own pages
    "exclude-members": "get_metadata_routing, set_fit_request, set_partial_fit_request, set_score_request",
}
autodoc_typehints = "none"  # numpydoc's sections have the types
autosummary_generate = True
autosummary_ignore_module_all = False  # the page of a module lists what it exports
numpydoc_show_class_members = False  # autodoc shows them

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "capture_repr": (),
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "run_stale_examples": True,  # an example is drawn anew when the library changed, not only when it did
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "FileNameSortKey",
    "write_computation_times": False,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "streamgmm"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"**": ["contents"]}
html_theme_options = {
    "navbar_center": [],  # the sidebar has them all
    "footer_start": [],
    "footer_end": [],
}
