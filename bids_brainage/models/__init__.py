"""Multi-level ensembles, in rooms of which each knows those before it.

ensembles, bundles, importing, cohorts, evaluation, training.
"""
