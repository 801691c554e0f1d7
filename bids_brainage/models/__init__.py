"""Base models, sub-ensembles and multi-level ensembles; bundles; training; uncertainty."""
