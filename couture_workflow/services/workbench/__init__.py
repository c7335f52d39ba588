"""The embedded workbench: the whole product on one machine, its supervisor, its demo and its doctor."""

__all__ = [
    "airflow_settings",
    "checks",
    "database",
    "demo",
    "doctor",
    "embedded",
    "installation",
    "server_address",
    "server_database",
    "trial",
]
