"""The analysis of a source by Spark, in the driver: pure PySpark, nothing of the product or of Airflow."""
