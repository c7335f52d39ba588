"""What Airflow reads of us as a provider: options and the database manager. Literals only."""

from __future__ import annotations

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
    "status_poll_interval": _option(
        "Seconds between two looks at the state of a job that runs in cluster mode.", "1"
    ),
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
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in Airflow's own format."""
    return {
        "package-name": "couture-workflow",
        "name": "Couture Workflow",
        "description": "A Spark and Hadoop workbench on Apache Airflow.",
        "db-managers": ["couture_workflow.web.roles.CoutureDBManager"],
        "config": {
            "couture_workflow": {
                "description": "Couture Workflow, the Spark and Hadoop workbench.",
                "options": OPTIONS,
            }
        },
    }
