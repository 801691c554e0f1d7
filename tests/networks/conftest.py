"""Readers are tried on the networks of the relevance tests."""

from tests.relevance.conftest import random as random
