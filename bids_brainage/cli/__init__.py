"""What a person types; no work is done here and nothing heavy is imported here."""
