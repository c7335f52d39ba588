"""Starts the model server's package by path: ``python -I serving_child.py serve|check|tensorflow ...``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
# gRPC would look after forks of its own accord; the only ones here are followed by another program at once.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

if __name__ == "__main__":
    if sys.argv[1:2] == ["tensorflow"]:
        from serving.engines import tensorflow_child

        sys.exit(tensorflow_child.main(sys.argv[2:]))
    from serving import command

    sys.exit(command.main(sys.argv[1:]))
