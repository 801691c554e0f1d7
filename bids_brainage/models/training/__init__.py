"""Training multi-level ensembles: plan, base models, heads, calibration, bundle."""
