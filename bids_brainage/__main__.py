"""``python -m bids_brainage`` is the same as ``bids_brainage``."""

import sys

from bids_brainage.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
