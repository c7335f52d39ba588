"""Old DAG files of Airflow 1.10 and 2: turned into text that runs today, or told about."""

__all__ = ["apart", "files", "present", "upgrading"]
