"""DAG files for an account: what the repository and what Airflow knows of them, and their save."""
