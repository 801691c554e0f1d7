"""Networks that other programs trained, brought into bundles."""
