"""One typed function per option of ``[couture_workflow]``, read when it is called.

Descriptions and defaults stand in ``provider.py``; ``AIRFLOW__COUTURE_WORKFLOW__<OPTION>`` sets any of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SECTION = "couture_workflow"

#: Environment variable that goes before the option ``user``.
USER_VARIABLE = "COUTURE_WORKFLOW_USER"

#: Of the embedded workbench's SQLite: seconds to wait while another process writes. Its own 5 s are too few
#: on a busy machine, where a call would end in "database is locked".
SQLITE_CONNECT_ARGS = {"timeout": 30}
#: What takes its place for a server while a home's ``airflow.cfg`` is still that of SQLite.
SERVER_CONNECT_ARGS: dict[str, int] = {}


def _text(option: str, fallback: str = "") -> str:
    from airflow.configuration import conf

    return str(conf.get(SECTION, option, fallback=fallback) or fallback).strip()


def home() -> Path:
    """Return the root of the product's state (default ``$AIRFLOW_HOME/couture``)."""
    if value := _text("home"):
        return Path(value).expanduser()
    from airflow.configuration import AIRFLOW_HOME

    return Path(AIRFLOW_HOME) / "couture"


def user() -> str:
    """Return the person whose stack this is: ``$COUTURE_WORKFLOW_USER``, else the option; "" for nobody's."""
    return os.environ.get(USER_VARIABLE, "").strip() or _text("user")


def secret_key() -> str:
    """Return the Fernet keys for secrets, newest first, comma separated (default: Airflow's own)."""
    from airflow.configuration import conf
    from airflow.exceptions import AirflowConfigException

    from couture_workflow.exceptions import SecretKeyError

    try:
        return _text("secret_key") or str(conf.get("core", "fernet_key", fallback="") or "").strip()
    except AirflowConfigException as error:
        raise SecretKeyError(
            f"The key for secrets cannot be read ({str(error).splitlines()[0].strip()}). Restore its file "
            "from a backup; without it, secrets must be entered again."
        ) from error


def runtimes_path() -> Path:
    """Return the folder of the separate Python environments (default ``<prefix>/runtimes``)."""
    return Path(_text("runtimes_path") or Path(sys.prefix) / "runtimes").expanduser()


def spark_home() -> Path | None:
    """Return the Spark to use: the option, else ``$SPARK_HOME``; None means the runtime ``spark``."""
    value = _text("spark_home") or os.environ.get("SPARK_HOME", "")
    return Path(value).expanduser() if value else None


def spark_python() -> str:
    """Return the Python of driver and executors, "" for the one of the runtime ``spark``."""
    return _text("spark_python")


def class_data_archive() -> bool:
    """Tell whether Spark drivers start from a class-data archive of the JVM."""
    from airflow.configuration import conf

    return bool(conf.getboolean(SECTION, "class_data_archive", fallback=True))


def max_upload_size() -> int:
    """Return the size in bytes that one uploaded file may have at most."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "max_upload_size", fallback=4 * 2**30))


def max_archive_members() -> int:
    """Return how many files and folders an archive for import may have at most."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "max_archive_members", fallback=20_000))


def max_archive_size() -> int:
    """Return the bytes that an archive of dependencies may have at most when it is unpacked."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "max_archive_size", fallback=16 * 2**30))


def max_archive_text_size() -> int:
    """Return the bytes that an archive of DAGs or configurations may have at most when it is unpacked."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "max_archive_text_size", fallback=64 * 2**20))


def max_archive_ratio() -> int:
    """Return how many times its size an archive for import may have at most when it is unpacked."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "max_archive_ratio", fallback=100))


def max_notebook_size() -> int:
    """Return the bytes that a notebook may have at most, with its outputs, to be read for a schedule."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "max_notebook_size", fallback=64 * 2**20))


def max_notebook_files_size() -> int:
    """Return the bytes that the files which go with a scheduled notebook may have together at most."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "max_notebook_files_size", fallback=32 * 2**20))


def smtp_options() -> dict[str, str | bool]:
    """Return what the options say of the mail server, "" for what they leave open; without the password."""
    from airflow.configuration import conf

    found: dict[str, str | bool] = {
        name: _text(f"smtp_{name}") for name in ("host", "port", "security", "user", "timeout")
    }
    verify = bool(conf.getboolean(SECTION, "smtp_verify", fallback=True))
    return {**found, "sender": _text("smtp_from"), "verify": verify}


def smtp_password() -> str:
    """Return the password of the mail server that the options name."""
    from airflow.exceptions import AirflowConfigException

    from couture_workflow.exceptions import MailError

    try:
        return _text("smtp_password")
    except AirflowConfigException as error:
        raise MailError(
            "The password of the mail server cannot be read: the command that [couture_workflow] "
            "smtp_password_cmd names failed. An administrator can run it to see why."
        ) from error


def mail_backend() -> str:
    """Return the function that Airflow sends its mails with, as it is named in ``[email]``."""
    from airflow.configuration import conf

    return str(conf.get("email", "email_backend", fallback="") or "")


def mail_connection() -> str:
    """Return the connection that mails go by where no server is set, "" if something else sends them."""
    from airflow.configuration import conf

    own = ("", "airflow.utils.email.send_email_smtp", "couture_workflow.services.mail.backend.send_email")
    if mail_backend() not in own:
        return ""
    return str(conf.get("email", "email_conn_id", fallback="") or "smtp_default")


def termination_grace_period() -> float:
    """Return the seconds between SIGTERM and SIGKILL when a Spark job is killed."""
    from airflow.configuration import conf

    return float(conf.getfloat(SECTION, "termination_grace_period", fallback=10.0))


def spark_history_server() -> str:
    """Return the address of a history server of Spark, "" for none."""
    from airflow.configuration import conf

    return str(conf.get(SECTION, "spark_history_server", fallback="") or "").strip()


def jupyter_hub_url() -> str:
    """Return the address of the JupyterHub that has people's servers, "" where this installation has them."""
    return _text("jupyter_hub_url")


def jupyter_hub_token() -> str:
    """Return the token of the service that this installation is to the JupyterHub."""
    from airflow.exceptions import AirflowConfigException

    from couture_workflow.exceptions import JupyterError

    try:
        return _text("jupyter_hub_token")
    except AirflowConfigException as error:
        raise JupyterError(
            "The token for the JupyterHub cannot be read: the command that [couture_workflow] "
            "jupyter_hub_token_cmd names failed. An administrator can run it to see why."
        ) from error


def status_poll_interval() -> float:
    """Return the seconds between two looks at the state of a job in cluster mode."""
    from airflow.configuration import conf

    return float(conf.getfloat(SECTION, "status_poll_interval", fallback=1.0))


def jupyter_idle() -> float:
    """Return the minutes after which a Jupyter server that nobody uses is ended."""
    from airflow.configuration import conf

    return max(0.1, float(conf.getfloat(SECTION, "jupyter_idle", fallback=60.0)))


def jupyter_servers() -> int:
    """Return how many people may have a Jupyter server at once."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "jupyter_servers", fallback=8))


def jupyter_memory() -> int:
    """Return the MiB that one Jupyter server and its kernels may have, 0 for any number."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "jupyter_memory", fallback=4096))


def jupyter_path() -> tuple[Path, ...]:
    """Return the folders of further kernels: those of the option, then those of ``JUPYTER_PATH``."""
    given = [*_text("jupyter_path").split(os.pathsep), *os.environ.get("JUPYTER_PATH", "").split(os.pathsep)]
    return tuple(dict.fromkeys(Path(each.strip()).expanduser() for each in given if each.strip()))


def jupyter_state() -> Path | None:
    """Return the folder for the state of Jupyter servers, None for one that is made in /tmp."""
    return Path(given).expanduser() if (given := _text("jupyter_state")) else None


def jupyter_first_number() -> int:
    """Return the first number of the accounts of the operating system that Jupyter servers run as."""
    from airflow.configuration import conf

    return int(conf.getint(SECTION, "jupyter_first_number", fallback=2_100_000_000))


def jupyter_walls() -> bool:
    """Tell whether Jupyter servers are refused where nothing keeps people's files apart."""
    from airflow.configuration import conf

    return bool(conf.getboolean(SECTION, "jupyter_walls", fallback=True))


def serving_url() -> str:
    """Return the address of the model server's REST interface, without a slash at its end."""
    return (_text("serving_url") or "http://127.0.0.1:8501").rstrip("/")


def serving_public_url() -> str:
    """Return the address of the model server's REST interface for people, without a slash at its end."""
    return (_text("serving_public_url") or serving_url()).rstrip("/")


def serving_grpc() -> str:
    """Return host and port of the model server's gRPC interface."""
    return _text("serving_grpc") or "127.0.0.1:8500"


def serving_token_file() -> Path | None:
    """Return the file with the token that the model server wants, None if it wants none."""
    return Path(given).expanduser() if (given := _text("serving_token_file")) else None


def eda_folders() -> tuple[Path, ...]:
    """Return the folders below which files may be sources of exploratory data analysis, none by default."""
    given = (each.strip() for each in _text("eda_folders").split(os.pathsep))
    return tuple(dict.fromkeys(Path(each).expanduser() for each in given if each))


def eda_outputs_kept() -> int:
    """Return how many outputs of one source are kept, at least one."""
    from airflow.configuration import conf

    return max(1, int(conf.getint(SECTION, "eda_outputs_kept", fallback=30)))


def eda_memory() -> int:
    """Return the MiB that one run of exploratory data analysis may have, at least 256."""
    from airflow.configuration import conf

    return max(256, int(conf.getint(SECTION, "eda_memory", fallback=2048)))


def eda_sql_seconds() -> int:
    """Return the seconds that a source may take to be read from its database, at least one."""
    from airflow.configuration import conf

    return max(1, int(conf.getint(SECTION, "eda_sql_seconds", fallback=3600)))


def sla_misses_kept() -> int:
    """Return the days for which misses of SLAs are kept, at least one."""
    from airflow.configuration import conf

    return max(1, int(conf.getint(SECTION, "sla_misses_kept", fallback=365)))


def xcom_storage() -> str:
    """Return where large values between tasks are: a folder or an address, "" for a folder of the home."""
    from airflow.exceptions import AirflowConfigException

    from couture_workflow.exceptions import XComError

    try:
        return _text("xcom_storage")
    except AirflowConfigException as error:
        raise XComError(
            "The place of values between tasks cannot be read: the command that [couture_workflow] "
            "xcom_storage_cmd names failed. An administrator can run it to see why."
        ) from error


def xcom_connection() -> str:
    """Return the connection of Airflow that opens the storage of large values, "" for none."""
    return _text("xcom_connection")


def xcom_across_owners() -> bool:
    """Tell whether a task may read large values of DAGs that have another owner."""
    from airflow.configuration import conf

    return bool(conf.getboolean(SECTION, "xcom_across_owners", fallback=False))


def xcom_database_limit() -> int:
    """Return the bytes up to which a value between tasks is in the database, if it is no data frame."""
    from airflow.configuration import conf

    return max(0, int(conf.getint(SECTION, "xcom_database_limit", fallback=2**18)))


def xcom_preview_rows() -> int:
    """Return how many rows of a data frame people see in its place, 0 for none."""
    from airflow.configuration import conf

    return max(0, int(conf.getint(SECTION, "xcom_preview_rows", fallback=5)))
