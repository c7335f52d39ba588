"""Couture Workflow: an Apache Airflow distribution that is a Spark and Hadoop workbench. Imports nothing."""

__version__ = "0.1.0"
