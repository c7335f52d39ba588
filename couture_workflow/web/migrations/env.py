"""Airflow reads this file of every database manager. There are no tables of ours yet, so it does nothing."""
