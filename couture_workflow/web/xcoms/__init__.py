"""Values between tasks, as far as Airflow's database tells who needs them."""
