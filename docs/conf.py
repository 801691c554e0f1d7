"""How the site is built: ``make docs`` writes it to build/docs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from bids_brainage import __version__

project = "bids_brainage"
author = project_copyright = "The bids_brainage developers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "generated",
    "mathml",
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
smartquotes = False  # -- would become a dash
# Docstrings tell shapes and units; annotations beside them would fill the page.
autodoc_typehints = "none"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_math_renderer = "mathml"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"bids_brainage {release}"
html_show_sourcelink = False
# The theme's switch between light and dark is all that runs; nothing comes from a network.
html_theme_options = {"footer_icons": [], "top_of_page_buttons": []}
