"""``python -m bids_brainage`` is the same as ``bids_brainage``."""

import os
import sys

# Python puts the folder that it is started in first on its path; files there are data, not modules.
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
if not sys.flags.safe_path and sys.path[:1] != [_HERE]:
    del sys.path[0]

from bids_brainage.cli.run import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
