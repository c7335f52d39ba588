"""What jobs and tasks need beside Airflow's environment: Spark, Java, Jupyter, archives of class data, system
packages, environments of tasks.
"""

__all__ = [
    "class_data",
    "install",
    "installed",
    "joined",
    "progress",
    "python_ldap",
    "system_packages",
    "task_environments",
]
