"""A PySpark job in two steps: clean the raw measurements, then summarise them.

    penguins.py clean     <raw csv>      <cleaned folder>
    penguins.py summarize <cleaned folder> <summary folder>

Upload this file on *Developer > Code Artifacts*.
"""

from __future__ import annotations

import argparse

import penguin_rules
from pyspark.sql import DataFrame, SparkSession, functions

#: Column of the raw file -> our name.
NAMES = {
    "Species": "species",
    "Island": "island",
    "Sex": "sex",
    "Culmen Length (mm)": "bill_length_mm",
    "Culmen Depth (mm)": "bill_depth_mm",
    "Flipper Length (mm)": "flipper_length_mm",
    "Body Mass (g)": "body_mass_g",
}


def clean(spark: SparkSession, source: str, target: str) -> None:
    """Keep the penguins that were measured, with short names, as Parquet."""
    raw = spark.read.csv(source, header=True, nullValue="NA")
    frame = raw.select([functions.col(f"`{old}`").alias(new) for old, new in NAMES.items()])
    for name in penguin_rules.PLAUSIBLE:
        frame = frame.withColumn(name, functions.col(name).try_cast("double"))
    frame = frame.withColumn("species", functions.split("species", " ")[0])
    frame = frame.withColumn("sex", functions.lower("sex"))
    measured = frame.where(penguin_rules.is_measured())
    measured.write.mode("overwrite").parquet(target)
    print(f"Kept {spark.read.parquet(target).count()} of {raw.count()} penguins.")


def summarize(spark: SparkSession, source: str, target: str) -> None:
    """Count and average by species and sex, print the table and write it as JSON."""
    weight_class = functions.udf(penguin_rules.weight_class, "string", useArrow=False)
    penguins = spark.read.parquet(source).withColumn("weight", weight_class("body_mass_g"))
    summary = (
        penguins.groupBy("species", "sex")
        .agg(
            functions.count("*").alias("penguins"),
            functions.round(functions.avg("body_mass_g"), 1).alias("body_mass_g"),
            functions.round(functions.avg("flipper_length_mm"), 1).alias("flipper_length_mm"),
            functions.round(functions.avg("bill_length_mm"), 1).alias("bill_length_mm"),
            functions.count_if(functions.col("weight") == "heavy").alias("heavy"),
        )
        .orderBy("species", "sex")
        .coalesce(1)
    )
    summary.write.mode("overwrite").json(target)
    show(spark.read.schema(summary.schema).json(target).orderBy("species", "sex"))


def show(table: DataFrame) -> None:
    """Print a small table between two lines that are easy to find in a log."""
    rows = [table.columns, *([str(value) for value in row] for row in table.collect())]
    widths = [max(len(row[number]) for row in rows) for number in range(len(table.columns))]
    print("----- penguins by species and sex -----")
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("----- end of the table -----", flush=True)


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(description="Clean or summarise the penguins.")
    parser.add_argument("step", choices=("clean", "summarize"))
    parser.add_argument("source")
    parser.add_argument("target")
    given = parser.parse_args()
    spark = SparkSession.builder.getOrCreate()
    step = clean if given.step == "clean" else summarize
    step(spark, given.source, given.target)
    spark.stop()


if __name__ == "__main__":
    main()
