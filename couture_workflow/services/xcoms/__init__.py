"""Values between tasks: data frames as Parquet, and other large ones, beside Airflow's database."""

__all__ = ["other_pythons", "sweeping", "values"]
