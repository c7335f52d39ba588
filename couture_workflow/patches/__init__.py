"""Where the package changes what Airflow does."""
