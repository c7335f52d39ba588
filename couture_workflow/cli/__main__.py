"""`python -m couture_workflow.cli` is `couture-workflow`."""

import sys

from couture_workflow.cli import main

sys.exit(main())
