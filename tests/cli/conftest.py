"""The command line is tried on the small bundle of the models' tests."""

from tests.models.conftest import bundle as bundle
