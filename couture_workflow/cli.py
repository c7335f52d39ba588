"""`couture-workflow`: the command line, thin over services."""

from __future__ import annotations


def main() -> int:
    """Run the command line and return its exit code."""
    raise SystemExit("not built yet")
