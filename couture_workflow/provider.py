"""What Airflow reads of us as a provider: options, types of connections, the database manager.

Every process of Airflow imports this: literals only, and nothing is imported for them.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any


def _option(
    description: str, default: str, *, example: str | None = None, sensitive: bool = False
) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": default,
        "sensitive": sensitive,
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "home": _option(
        "Root of the product's state: configuration, files, secrets and run records. Shared by all "
        "services and workers. Empty: the folder ``couture`` below ``$AIRFLOW_HOME``.",
        "",
        example="/var/lib/couture-workflow",
    ),
    "user": _option(
        "Name of the person whose stack this is: new DAG files go into the folder of that name, tasks "
        "without an owner are the person's, and the list of Dags begins with the person's own. The "
        "environment variable ``COUTURE_WORKFLOW_USER`` goes before it. Empty: nobody's.",
        "",
        example="alice",
    ),
    "secret_key": _option(
        "Fernet keys that encrypt secrets at rest, comma separated, newest first. Empty: ``[core] "
        "fernet_key``.",
        "",
        sensitive=True,
    ),
    "runtimes_path": _option(
        "Folder of the separate Python environments, such as ``spark``. Empty: ``runtimes`` below the "
        "prefix of Airflow's own environment.",
        "",
        example="/opt/couture/runtimes",
    ),
    "spark_home": _option(
        "Spark installation whose ``bin/spark-submit`` is run. Empty: ``$SPARK_HOME``, else the "
        "runtime ``spark``.",
        "",
        example="/opt/spark",
    ),
    "spark_python": _option(
        "Python of driver and executors where a task does not name one. Empty: the one of the "
        "runtime ``spark``.",
        "",
        example="/usr/bin/python3",
    ),
    "class_data_archive": _option(
        "Start Spark drivers from a class-data archive of the JVM, which about halves their start. It is "
        "made when it is first needed and made anew when it does not fit the JDK or Spark.",
        "True",
    ),
    "max_upload_size": _option("Bytes that one uploaded file may have at most.", str(4 * 2**30)),
    "max_archive_members": _option("Files and folders that an archive for import may have at most.", "20000"),
    "max_archive_size": _option(
        "Bytes that an archive of dependencies may have at most when it is unpacked.", str(16 * 2**30)
    ),
    "max_archive_text_size": _option(
        "Bytes that an archive of DAGs or configurations may have at most when it is unpacked.",
        str(64 * 2**20),
    ),
    "max_archive_ratio": _option(
        "How many times its size an archive for import may have at most when it is unpacked.", "100"
    ),
    "max_notebook_size": _option(
        "Bytes that a notebook may have at most, with its outputs, to be scheduled.", str(64 * 2**20)
    ),
    "max_notebook_files_size": _option(
        "Bytes that the files which go with a scheduled notebook may have together at most.", str(32 * 2**20)
    ),
    "termination_grace_period": _option(
        "Seconds between SIGTERM and SIGKILL when a Spark job is killed.", "10"
    ),
    "spark_history_server": _option(
        "Address of a history server of Spark, such as http://history:18080. Empty: none.", ""
    ),
    "jupyter_idle": _option(
        "Minutes after which a person's Jupyter server ends that nobody uses; a kernel that runs is use.",
        "60",
    ),
    "jupyter_servers": _option("How many people may have a Jupyter server at once.", "8"),
    "jupyter_memory": _option(
        "MiB that one Jupyter server and its kernels may have; beyond it the largest kernel is killed. "
        "0: any number.",
        "4096",
    ),
    "jupyter_path": _option(
        "Folders of further kernels, separated by colons, before those of the variable ``JUPYTER_PATH``.",
        "",
        example="/opt/kernels/share/jupyter",
    ),
    "jupyter_state": _option(
        "Folder for sockets and temporary files of Jupyter servers, with a short path. Empty: one in /tmp.",
        "",
    ),
    "jupyter_first_number": _option(
        "Where the host of Jupyter servers may take other accounts (root): number of the group of all "
        "people; each person's user id is one of those after it.",
        "2100000000",
    ),
    "jupyter_walls": _option(
        "Start Jupyter servers only where the machine can keep their files apart (Landlock).", "True"
    ),
    "jupyter_hub_url": _option(
        "Address of a JupyterHub that has people's Jupyter servers. Empty: this installation has them.",
        "",
        example="https://hub.example.org",
    ),
    "jupyter_hub_token": _option(
        "Token of the service that this installation is to the JupyterHub.", "", sensitive=True
    ),
    "serving_url": _option(
        "Address of the REST interface of the model server, which is asked what it serves.",
        "http://127.0.0.1:8501",
    ),
    "serving_public_url": _option(
        "The same address as people reach it, which pages show in lines to copy. Empty: serving_url.", ""
    ),
    "serving_grpc": _option(
        "Host and port of the gRPC interface of the model server, as pages show it.", "127.0.0.1:8500"
    ),
    "serving_token_file": _option(
        "File with the token that the model server wants with each request; empty: it wants none.", ""
    ),
    "serve_models": _option(
        "Run the model server beside the embedded workbench's services, on ports 8500 and 8501 of 127.0.0.1: "
        "``auto``, from the first model on and without ever ending the workbench; ``True``; or ``False``.",
        "auto",
    ),
    "status_poll_interval": _option(
        "Seconds between two looks at the state of a job that runs in cluster mode.", "1"
    ),
    "smtp_host": _option(
        "Mail server that all mails go through. Set here, it goes before what was saved on *Admin > Mail*. "
        "Empty: what was saved there.",
        "",
        example="smtp.example.org",
    ),
    "smtp_port": _option(
        "Port of the mail server. Empty: the usual one, 587 with STARTTLS, 465 with TLS, else 25.", ""
    ),
    "smtp_security": _option(
        "How the connection to the mail server is encrypted: ``starttls``, ``tls`` (from the first byte on) "
        "or ``none``.",
        "starttls",
    ),
    "smtp_verify": _option("Refuse a mail server whose certificate this machine does not trust.", "True"),
    "smtp_user": _option("Account to log in to the mail server with. Empty: no log-in.", ""),
    "smtp_password": _option("Password of that account.", "", sensitive=True),
    "smtp_from": _option("Address that mails come from.", "", example="Airflow <airflow@example.org>"),
    "smtp_timeout": _option("Seconds to wait for an answer of the mail server.", "30"),
    "sla_misses_kept": _option("Days for which misses of SLAs are kept, with their notes.", "365"),
    "eda_folders": _option(
        "Folders below which files may be sources of exploratory data analysis, separated by colons. Empty: "
        "none; files are uploaded.",
        "",
        example="/data/shared:/mnt/lake",
    ),
    "eda_outputs_kept": _option(
        "How many outputs of a source of exploratory data analysis are kept, the newest.", "30"
    ),
    "eda_memory": _option("MiB that one run of exploratory data analysis may have.", "2048"),
    "eda_sql_seconds": _option(
        "Seconds that one run of exploratory data analysis may read from a database, after which the "
        "statement is interrupted.",
        "3600",
    ),
    "xcom_storage": _option(
        "Where data frames and other large values between tasks are: the path of a folder, or an address "
        "such as ``s3://bucket/folder``, ``webhdfs://namenode:9870/folder`` or ``redis://redis:6379/0``. "
        "Empty: the folder ``xcoms`` of the home.",
        "",
        example="s3://bucket/xcoms",
        sensitive=True,
    ),
    "xcom_connection": _option(
        "Airflow's connection with the account of that storage. Empty: the account of the machine.",
        "",
        example="xcom_storage",
    ),
    "xcom_across_owners": _option(
        "Let tasks read data frames and other large values of DAGs that have another owner.", "False"
    ),
    "xcom_database_limit": _option(
        "Bytes up to which a value between tasks is in Airflow's database, as JSON, if it is no data frame. "
        "Larger ones are beside the data frames.",
        str(2**18),
    ),
    "xcom_preview_rows": _option(
        "Rows of a data frame that people see in its place in Airflow. 0: none.", "5"
    ),
}

_LOGIN = {"login": "A user that may only read", "password": "Kept by Airflow, encrypted"}

#: Airflow's own package for a type of connection -> what its form shows where that package is not installed.
CONNECTION_TYPES: dict[str, dict[str, Any]] = {
    "apache-airflow-providers-postgres": {
        "connection-type": "postgres",
        "hook-class-name": "couture_workflow.hooks.PostgresqlHook",
        "hook-name": "PostgreSQL",
        "ui-field-behaviour": {
            "hidden-fields": [],
            "relabeling": {"schema": "Database"},
            "placeholders": {"host": "db.example.org", "port": "5432", **_LOGIN},
        },
        "conn-fields": {
            "sslmode": {
                "label": "SSL mode",
                "description": "How the connection is encrypted; nothing chosen: prefer.",
                "schema": {
                    "type": ["string", "null"],
                    "enum": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
                },
            },
            "sslrootcert": {
                "label": "SSL root certificate",
                "description": "File that the server's certificate is checked with, on the machines of the "
                "API server and of the workers.",
                "schema": {"type": ["string", "null"]},
            },
        },
    },
    "apache-airflow-providers-mysql": {
        "connection-type": "mysql",
        "hook-class-name": "couture_workflow.hooks.MysqlHook",
        "hook-name": "MySQL or MariaDB",
        "ui-field-behaviour": {
            "hidden-fields": [],
            "relabeling": {"schema": "Database"},
            "placeholders": {"host": "db.example.org", "port": "3306", **_LOGIN},
        },
        "conn-fields": {
            "ssl_mode": {
                "label": "SSL mode",
                "description": 'How the connection is encrypted. Certificates stand in the key "ssl" of the '
                'extra fields: {"ssl": {"ca": "/path/ca.pem"}}.',
                "schema": {
                    "type": ["string", "null"],
                    "enum": ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"],
                },
            },
            "unix_socket": {
                "label": "Socket",
                "description": "Path of the server's socket, instead of host and port.",
                "schema": {"type": ["string", "null"]},
            },
        },
    },
    "apache-airflow-providers-sqlite": {
        "connection-type": "sqlite",
        "hook-class-name": "couture_workflow.hooks.SqliteHook",
        "hook-name": "SQLite",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "login", "password", "port", "extra"],
            "relabeling": {"host": "Database file"},
            "placeholders": {"host": "Absolute path, such as /data/sales.db"},
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in Airflow's own format."""
    return {
        "package-name": "couture-workflow",
        "name": "Couture Workflow",
        "description": "A Spark and Hadoop workbench on Apache Airflow.",
        "db-managers": ["couture_workflow.web.roles.CoutureDBManager"],
        "connection-types": [each for package, each in CONNECTION_TYPES.items() if not _installed(package)],
        "config": {
            "couture_workflow": {
                "description": "Couture Workflow, the Spark and Hadoop workbench.",
                "options": OPTIONS,
            }
        },
    }


def _installed(package: str) -> bool:
    """Return whether Airflow finds a package, whose types of connections and hooks are the better ones."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True
