"""The personal view in Airflow's own pages."""
