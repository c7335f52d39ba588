"""Sum up a file of orders."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from shared.prices import gross


class SumOrdersOperator(BaseOperator):
    """Return how many orders a CSV file holds, and what they come to with tax.

    :param path: the file, with a column ``net`` in cents. (templated)
    """

    template_fields: Sequence[str] = ("path",)

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = path

    def execute(self, context: Any) -> dict[str, int]:
        """Read the file."""
        with Path(self.path).open(encoding="utf-8", newline="") as file:
            prices = [gross(int(row["net"])) for row in csv.DictReader(file)]
        self.log.info("%s holds %d orders.", self.path, len(prices))
        return {"orders": len(prices), "gross": sum(prices)}
