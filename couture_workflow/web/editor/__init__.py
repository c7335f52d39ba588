"""What the editor asks Airflow for an account."""
