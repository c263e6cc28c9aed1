"""`python -m fem.cli` is `hostplate`."""

import sys

from fem.cli.main import main

sys.exit(main())
