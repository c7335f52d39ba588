"""What jobs need beside Airflow's environment: Spark, Java, Jupyter, class-data archives, system packages."""
