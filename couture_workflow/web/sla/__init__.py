"""SLAs of tasks, by Airflow's own tables: when they are due, what was missed, and who may see it."""
