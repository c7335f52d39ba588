"""The training job of a class-data archive: it makes the driver load what usual PySpark jobs load."""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession, functions, types


def main(folder: Path) -> None:
    """Read and write the usual formats, group, join, collect and call Python once."""
    spark = SparkSession.builder.getOrCreate()
    rows = [(number % 7, f"name {number}", number / 3) for number in range(100)]
    frame = spark.createDataFrame(rows, "key int, name string, value double")
    frame.write.mode("overwrite").option("header", True).csv(str(folder / "csv"))
    frame.write.mode("overwrite").json(str(folder / "json"))
    frame.write.mode("overwrite").parquet(str(folder / "parquet"))

    table = spark.read.option("header", True).option("inferSchema", True).csv(str(folder / "csv"))
    twice = functions.udf(lambda value: value * 2, types.DoubleType())
    grouped = (
        table.where(functions.col("value") > 1)
        .withColumn("twice", twice("value"))
        .groupBy("key")
        .agg(functions.count("*").alias("rows"), functions.avg("twice").alias("mean"))
    )
    joined = grouped.join(spark.read.parquet(str(folder / "parquet")), "key").orderBy("key", "name")
    joined.createOrReplaceTempView("joined")
    spark.sql("select key, count(distinct name) as names, max(mean) as mean from joined group by key").show()
    spark.read.json(str(folder / "json")).count()
    joined.collect()
    spark.sparkContext.parallelize(range(4), 1).map(lambda number: number + 1).sum()
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
