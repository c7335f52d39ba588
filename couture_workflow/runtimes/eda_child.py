"""Starts the child of exploratory data analysis: one request in, JSON lines out (see ``eda/main.py``).

``python -I eda_child.py [PIPE]``: the request comes from a named pipe instead of standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from eda.main import main

if __name__ == "__main__":
    main(sys.argv[1:])
