"""What is wrong with a file, told by readers that see its content and not its name."""

from __future__ import annotations


class UnfitError(Exception):
    """What is wrong with a file: a sentence of `messages` that lacks only the file's name."""

    def __init__(self, sentence: str, **fields: object) -> None:
        super().__init__(sentence)
        self.sentence, self.fields = sentence, fields
