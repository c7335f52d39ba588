"""What notebooks of the workbench import: a Spark session as *Spark Configuration* says, example data.

It lies on the path of the Jupyter runtime alone, and imports nothing but the standard library; pyspark when a
session is made.
"""

from .errors import SparkSessionError, SparkSessionWarning
from .examples import example_data
from .session import spark_report, spark_session

__all__ = ["SparkSessionError", "SparkSessionWarning", "example_data", "spark_report", "spark_session"]
