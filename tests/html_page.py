"""A page as a reader has it: its tags, its text, and what it would load."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """All tags with their attributes, and the text a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def titles(self) -> list[str]:
        return [attrs["alt"] or "" for tag, attrs in self.tags if tag == "img"]

    def loaded(self) -> list[str]:
        """Addresses that a browser would fetch by itself."""
        sources = ("src", "href", "xlink:href")
        return [
            attrs[name] or "" for tag, attrs in self.tags for name in sources if tag != "a" and name in attrs
        ]
