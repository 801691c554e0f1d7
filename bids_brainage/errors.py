"""The exceptions whose text is meant for the person at the keyboard."""

from __future__ import annotations


class BrainAgeError(Exception):
    """Base of all errors that are told in one sentence, without a traceback.

    Attributes
    ----------
    exit_code : int
        What the program answers to the shell when this error ends it.
    """

    exit_code = 1


class InputError(BrainAgeError):
    """Wrong usage, or a dataset, table or option that cannot be used."""

    exit_code = 2


class ImageError(BrainAgeError):
    """An image that cannot be used; only the person it belongs to is left out."""


class UnreachableError(ImageError):
    """An image that is not there or cannot be read now, whatever is in it."""


class BundleError(InputError):
    """A model bundle that is missing, altered, of another schema, or does not fit the input."""


class NetworkError(BrainAgeError):
    """A network that cannot be explained or built."""
