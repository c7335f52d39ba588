"""Notebooks that tests write into people's folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: The text of a cell, and its tags.
Code = tuple[str, Sequence[str]]


def notebook(*cells: Code | str, language: str = "python", **more: Any) -> dict[str, Any]:
    """Return a notebook of nbformat 4.5 with cells of code, as a run left it."""
    pairs = [(cell, ()) if isinstance(cell, str) else cell for cell in cells]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": language},
        },
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {"tags": list(tags)},
                "source": source,
                "execution_count": 7,
                "outputs": [{"output_type": "stream", "name": "stdout", "text": "an output\n"}],
            }
            for number, (source, tags) in enumerate(pairs)
        ],
        **more,
    }


def write(home: Path, path: str, content: Any) -> Path:
    """Write a notebook, or any file, below the folder of all notebooks of a home."""
    target = home / "notebooks" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return target
