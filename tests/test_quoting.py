"""Nothing that a terminal or a page would obey is left in what is shown."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from bids_brainage.quoting import one_line, printable


@given(st.text())
def test_no_control_and_no_direction_character_is_left(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    left = {unicodedata.category(letter) for letter in shown if letter not in "\u200c\u200d"}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("CC BY-NC 4.0; see Müller & Gómez (2022), 100 % free", "مدل سن مغز", "脳年齢 🧠"):
        assert printable(text) == text


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    assert printable("a\x1b[2Jb\u202ec\x07") == "a?[2Jb?c?"
    assert one_line("two\n  lines\t") == "two lines"
    assert len(one_line("x" * 10_000)) < 300
