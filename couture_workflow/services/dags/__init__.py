"""The DAG repository: files, versions, drafts, what Airflow sees of them, and who names whom."""
