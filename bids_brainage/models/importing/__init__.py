"""Networks trained by other programs, imported into bundles."""
