"""Wait for a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseSensorOperator


class FileReadySensor(BaseSensorOperator):
    """Wait until a file is there and not empty.

    :param path: the file. (templated)
    """

    template_fields: Sequence[str] = ("path",)

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = path

    def poke(self, context: Any) -> bool:
        """Look for it."""
        path = Path(self.path)
        return path.is_file() and path.stat().st_size > 0
