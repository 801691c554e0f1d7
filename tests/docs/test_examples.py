"""The examples of the pages run, and print what the pages say."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "```python\n>>>" in page.read_text(encoding="utf-8")]


def test_there_are_examples() -> None:
    assert {page.stem for page in PAGES} >= {"networks", "relevance", "statistics"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_examples_print_what_the_page_says(page: Path) -> None:
    # The end of a block would be taken for a line that was printed; lines keep their numbers.
    text = re.sub("^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest(text, {}, page.stem, str(page), 0)
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, tried = doctest.DocTestRunner(optionflags=options).run(examples)
    assert tried
    assert failed == 0
