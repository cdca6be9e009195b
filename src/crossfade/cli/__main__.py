"""`python -m crossfade.cli` is `crossfade`, for callers that must use this very interpreter."""

import sys

from crossfade.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
