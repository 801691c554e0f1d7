"""Layer-wise Relevance Propagation and its rivals; quality of explanations."""
