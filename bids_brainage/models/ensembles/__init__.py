"""Base models, sub-ensembles and ensembles: what estimates are made of."""
