"""``python -m benchmarks [NAME ...]``: runs all or some, prints a table, exits 1 if a goal is missed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module

from benchmarks import NAMES
from benchmarks.measure import Result, memory_size, table


def main() -> int:
    """Run the named benchmarks and print their results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of: {', '.join(NAMES)} (default: all)"
    )
    names = parser.parse_args().names or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    results: list[Result] = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results += import_module(f"benchmarks.{name}").run()
    print(f"\n{os.cpu_count()} cores, {memory_size()} GiB of memory, Python {platform.python_version()}\n")
    print(table(results))
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
