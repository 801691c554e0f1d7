"""The text and the references of the methods section; installed as ``bids_brainage.boilerplate``."""
