"""Changes of a known dose and place put into prepared images, with the truth beside them."""
