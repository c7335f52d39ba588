"""What counts as a penguin that was measured, and which class of weight it has.

Upload this file on *Developer > Spark Dependencies*: the job ``penguins.py`` imports it as a py-file, on the
driver and on the executors.
"""

from __future__ import annotations

from pyspark.sql import Column, functions

#: Measurement -> the least and the most that an adult penguin of the three species can have.
PLAUSIBLE = {
    "bill_length_mm": (25.0, 70.0),
    "bill_depth_mm": (10.0, 25.0),
    "flipper_length_mm": (150.0, 250.0),
    "body_mass_g": (2000.0, 8000.0),
}


def is_measured() -> Column:
    """Return the condition that every measurement is there and plausible, and that the sex is known."""
    condition = functions.col("sex").isin("female", "male")
    for name, (least, most) in PLAUSIBLE.items():
        condition &= functions.col(name).between(least, most)
    return condition


def weight_class(body_mass_g: float) -> str:
    """Return the class of weight; Spark calls this on the executors."""
    if body_mass_g < 3500:
        return "light"
    return "medium" if body_mass_g < 5000 else "heavy"
