"""What Airflow's tables say of runs: their graphs, their children, their task instances."""
