"""What tables of people say: accuracy, repeated measures, biomarkers, norms, splits, profiles."""
