"""Images as scanners, converters and pipelines leave them: what comes of each."""
