"""``python -m benchmarks [--results FILE] [NAME ...]``: runs all or some and prints a table.

It exits with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from benchmarks import NAMES
from benchmarks.measure import Result, memory_size, table


def main() -> int:
    """Run the named benchmarks and print their results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of: {', '.join(NAMES)} (default: all)"
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="write the table into this file, too, after each benchmark",
    )
    asked = parser.parse_args()
    names = asked.names or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    results: list[Result] = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results += import_module(f"benchmarks.{name}").run()
        if asked.results:
            asked.results.write_text(_told(results), "utf-8")
    print(_told(results))
    return 0 if all(result.passed for result in results) else 1


def _told(results: list[Result]) -> str:
    machine = f"{os.cpu_count()} cores, {memory_size()} GiB of memory, Python {platform.python_version()}"
    return f"\n{machine}\n\n{table(results)}\n"


if __name__ == "__main__":
    sys.exit(main())
