"""Hooks of the databases that sources read, for where Airflow's own providers of them are not installed."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

from couture_workflow.exceptions import CoutureError


class DatabaseHook(BaseHook):
    """A database that sources of exploratory data analysis read: it can be tried, no task works with it.

    :param conn_id: the connection.
    """

    conn_name_attr = "conn_id"
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]
    #: Airflow's own package for such connections.
    package: ClassVar[str]

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> Any:
        """Raise ``AirflowException``: there is no driver in this environment."""
        raise AirflowException(
            f"The connection {self.conn_id} serves sources of Exploratory Data Analysis, and no driver for "
            f"{self.hook_name} is installed that tasks could use. Install the package {self.package} to use "
            "the connection in tasks."
        )

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the database can be read, and what it says; a source would reach it the same way."""
        from couture_workflow.services.eda import child, connections

        given = self.get_connection(self.conn_id)
        try:
            fields = connections.of(self.conn_id, given)
            found = child.ask({"verb": "tables", "source": {"kind": "sql", **fields}})
        except CoutureError as error:
            # Airflow tries it under a name that nobody has given.
            return False, str(error).replace(f"connection {self.conn_id}", "connection")
        count = sum(len(schema["tables"]) for schema in found["schemas"])
        more = " at least" if found["more"] else ""
        return True, f"The database answers. Tables and views that its user may read:{more} {count:,}."


class PostgresqlHook(DatabaseHook):
    """PostgreSQL."""

    conn_type, hook_name = "postgres", "PostgreSQL"
    package = "apache-airflow-providers-postgres"


class MysqlHook(DatabaseHook):
    """MySQL and MariaDB."""

    conn_type, hook_name = "mysql", "MySQL or MariaDB"
    package = "apache-airflow-providers-mysql"


class SqliteHook(DatabaseHook):
    """Files of SQLite."""

    conn_type, hook_name = "sqlite", "SQLite"
    package = "apache-airflow-providers-sqlite"
