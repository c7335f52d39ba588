"""Schedules of notebooks for an account: saved through the gate, run and paused in Airflow."""
