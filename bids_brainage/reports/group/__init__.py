"""The page of a group, made of nothing but what the group level has written."""
