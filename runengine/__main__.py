"""`python -m runengine` is `runengine`."""

import sys

from runengine.cli import main

if __name__ == "__main__":
    sys.exit(main())
