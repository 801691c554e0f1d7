"""What a person types; no work is done here and nothing heavy is imported here."""

import os

# Worker processes would otherwise take Python files in the folder that a command is started in for modules.
os.environ["PYTHONSAFEPATH"] = "1"
