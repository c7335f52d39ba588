"""What jobs need beside Airflow's environment: Spark, Java, Jupyter, class-data archives, system packages."""

__all__ = ["class_data", "install", "installed", "joined", "progress", "python_ldap", "system_packages"]
