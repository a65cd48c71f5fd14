"""The command `anystream`, as `python -m anystream`."""

import sys

from ._cli import main

sys.exit(main())
