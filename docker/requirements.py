"""``python3 requirements.py PYPROJECT EXTRA ...``: print what a package needs, without the package itself."""

import sys
import tomllib
from pathlib import Path


def main() -> None:
    """Print the dependencies and those of the named extras, one to a line."""
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    for line in project["dependencies"]:
        sys.stdout.write(f"{line}\n")
    for extra in sys.argv[2:]:
        for line in project["optional-dependencies"][extra]:
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
