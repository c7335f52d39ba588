"""The git remote, and what follows from a look at it in Airflow."""
