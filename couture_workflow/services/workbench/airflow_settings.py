"""Settings of Airflow in the embedded workbench: its folders, its generated keys and its ``airflow.cfg``.

``airflow.cfg`` is written anew at every start, from the arguments of that start, so that a newer version
brings its own settings along. What a person wants otherwise is set by
``AIRFLOW__<SECTION>__<OPTION>`` in the environment, which Airflow prefers to the file; only what makes the
workbench *embedded* (``FORCED``) cannot be changed. Keys stay in files of mode 0600, from which
Airflow and every command read them: they are in no command line and in no environment, where a task could
print them, and in no other file, which a restore could leave behind.

``[api] base_url`` is left out on purpose: without it every redirect is relative, so the workbench also
works through an SSH tunnel, a forwarded port or another host name.
"""

from __future__ import annotations

import base64
import configparser
import io
import json
import os
import secrets
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags.examples import examples_folder

AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
LOCAL_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
REPOSITORY_BUNDLE = "couture_workflow.bundles.DagRepositoryBundle"
XCOM_BACKEND = "couture_workflow.xcom.CoutureXCom"
EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 (compared with, not bound to)


@dataclass(frozen=True)
class Layout:
    """Where the embedded workbench keeps what, below one home."""

    home: Path

    @property
    def airflow(self) -> Path:
        """Return ``$AIRFLOW_HOME``."""
        return self.home / "airflow"

    @property
    def config(self) -> Path:
        """Return the generated ``airflow.cfg``."""
        return self.airflow / "airflow.cfg"

    @property
    def database(self) -> Path:
        """Return the SQLite file."""
        return self.airflow / "airflow.db"

    @property
    def migrated(self) -> Path:
        """Return the file that tells which versions the database was migrated for."""
        return self.airflow / "airflow.db.migrated"

    @property
    def migrated_server(self) -> Path:
        """Return the same for a database server."""
        return self.airflow / "server.migrated"

    @property
    def keys(self) -> Path:
        """Return the folder of the generated keys."""
        return self.airflow / "keys"

    @property
    def server(self) -> Path:
        """Return the file with the address of a database server, if the database is not the SQLite file."""
        return self.keys / "sql_alchemy_conn"

    @property
    def server_async(self) -> Path:
        """Return the file with the same address for the driver that does not wait."""
        return self.keys / "sql_alchemy_conn_async"

    @property
    def former_dags(self) -> Path:
        """Return the folder that earlier versions kept the DAGs in."""
        return self.home / "dags"

    @property
    def logs(self) -> Path:
        """Return the folder of the services' own logs."""
        return self.home / "logs"

    @property
    def lock(self) -> Path:
        """Return the file that the running workbench holds locked."""
        return self.home / "workbench.lock"


def new_fernet_key() -> str:
    """Return a new Fernet key."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def new_token() -> str:
    """Return a new secret of 48 random bytes."""
    return secrets.token_urlsafe(48)


#: Name of the file below ``keys`` -> (section, option, generator).
KEYS = {
    "fernet_key": ("core", "fernet_key", new_fernet_key),
    "api_secret_key": ("api", "secret_key", new_token),
    "jwt_secret": ("api_auth", "jwt_secret", new_token),
}


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def load_keys(layout: Layout) -> dict[str, str]:
    """Return the keys by file name, generating those that do not exist yet."""
    layout.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {}
    for name, (_, _, generate) in KEYS.items():
        path = layout.keys / name
        if not path.exists():
            write_private(path, generate() + "\n")
        path.chmod(0o600)
        found[name] = path.read_text(encoding="utf-8").strip()
    return found


def _key_command(layout: Layout, name: str) -> str:
    """Return the command by which Airflow reads a key: the file is the only place that has it."""
    return f"cat {shlex.quote(str(layout.keys / name))}"


def use(layout: Layout) -> None:
    """Let this process read the options and the keys of a home as its services do."""
    for name in _dropped() & set(os.environ):
        del os.environ[name]
    os.environ["AIRFLOW_HOME"] = str(layout.airflow)
    os.environ.update(key_of(layout))


def key_of(layout: Layout) -> dict[str, str]:
    """Return the variable by which Airflow reads the key of a home, nothing where the home has none.

    An ``airflow.cfg`` of an earlier version may have another key.
    """
    if not (layout.keys / "fernet_key").is_file():
        return {}
    return {"AIRFLOW__CORE__FERNET_KEY_CMD": _key_command(layout, "fernet_key")}


def has_keys_apart(layout: Layout) -> bool:
    """Tell whether there is an ``airflow.cfg`` that leaves the keys where they are."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(layout.config, encoding="utf-8")
    except (configparser.Error, OSError, ValueError):
        return False
    return parser.has_option("core", "fernet_key_cmd")


def local_address(host: str) -> str:
    """Return the address at which this machine itself reaches a server that listens on ``host``."""
    if host in EVERY_ADDRESS:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _bundles(layout: Layout, *, examples: bool) -> str:
    def bundle(name: str, classpath: str, **options: object) -> dict[str, object]:
        return {"name": name, "classpath": classpath, "kwargs": options}

    # What a page or the API saves is asked for at once; this is for those who push or save in other ways.
    found = [bundle(dag_repository.BUNDLE, REPOSITORY_BUNDLE, refresh_interval=3)]
    folder = examples_folder()
    if examples and folder is not None:
        found.append(bundle("examples", LOCAL_BUNDLE, path=str(folder), refresh_interval=300))
    return json.dumps(found)


def options(
    layout: Layout, *, host: str, port: int, examples: bool, user: str = ""
) -> dict[str, dict[str, str]]:
    """Return Airflow's options by section, without the keys.

    :param user: the person whose workbench this is, "" for nobody's.
    """
    return {
        **({"operators": {"default_owner": user}} if user else {}),
        "core": {
            "executor": "LocalExecutor",
            "auth_manager": AUTH_MANAGER,
            # Nothing is there: every process has this folder before a run's own version in its import path.
            "dags_folder": str(layout.airflow / "dags"),
            "load_examples": "False",
            "xcom_backend": XCOM_BACKEND,
            "parallelism": str(max(4, 2 * (os.cpu_count() or 1))),
            "execution_api_server_url": f"http://{local_address(host)}:{port}/execution/",
        },
        "database": _database(layout),
        "api": {
            "host": host,
            "port": str(port),
            "workers": "1",
            "instance_name": "Couture Workflow",
        },
        # One machine does everything: an answer may well take longer than Airflow's 5 s.
        "workers": {"execution_api_timeout": "60"},
        "dag_processor": {
            "dag_bundle_config_list": _bundles(layout, examples=examples),
            "dag_bundle_storage_path": str(layout.airflow / "bundles"),
            "bundle_refresh_check_interval": "2",
            # Old versions are swept whenever a new one is made (services.dag_worktrees), in one rename each.
            "stale_bundle_cleanup_interval": "0",
            "refresh_interval": "5",
            "min_file_process_interval": "30",
            "print_stats_interval": "0",
        },
        "logging": {
            "base_log_folder": str(layout.airflow / "logs"),
            "dag_processor_child_process_log_directory": str(layout.airflow / "logs" / "dag_processor"),
            "colored_console_log": "False",
        },
        # A function that is told of missed SLAs and never ends would keep a slot of the executor for ever.
        "callbacks": {"callback_execution_timeout": "300"},
        # Reads the server that *Admin > Mail* saved, when a mail is sent.
        "email": {"email_backend": "couture_workflow.services.mail.backend.send_email"},
        # An account or a role that is taken away counts at once in Airflow's own pages too, not after 30 s.
        "fab": {"cache_ttl": "0"},
        "usage_data_collection": {"enabled": "False"},
        "couture_workflow": {"home": str(layout.home)},
    }


def _database(layout: Layout) -> dict[str, str]:
    if layout.server.is_file():
        return {
            "sql_alchemy_conn_cmd": f"cat {shlex.quote(str(layout.server))}",
            "sql_alchemy_conn_async_cmd": f"cat {shlex.quote(str(layout.server_async))}",
            # A connection that a restart of the server has cut is found at once, not by what gets it.
            "sql_alchemy_pool_pre_ping": "True",
            "sql_alchemy_pool_recycle": "1500",
        }
    return {
        "sql_alchemy_conn": f"sqlite:///{layout.database}",
        "sql_alchemy_connect_args": "couture_workflow.settings.SQLITE_CONNECT_ARGS",
        "sql_alchemy_connect_args_async": "couture_workflow.settings.SQLITE_CONNECT_ARGS",
    }


def write_config(layout: Layout, *, host: str, port: int, examples: bool, user: str = "") -> None:
    """Write ``airflow.cfg`` for this start, into a home that is its owner's alone."""
    layout.home.chmod(0o700)
    values = options(layout, host=host, port=port, examples=examples, user=user)
    load_keys(layout)
    for name, (section, option, _) in KEYS.items():
        values.setdefault(section, {})[f"{option}_cmd"] = _key_command(layout, name)
    parser = configparser.ConfigParser(interpolation=None)
    for section, entries in values.items():
        parser[section] = {option: value.replace("%", "%%") for option, value in entries.items()}
    text = io.StringIO()
    text.write("# Written anew at every start of the workbench: changes made here are lost.\n")
    text.write("# Set AIRFLOW__<SECTION>__<OPTION> in the environment instead.\n\n")
    parser.write(text)
    write_private(layout.config, text.getvalue())


#: Options that make the workbench embedded; the environment cannot change them.
FORCED = (
    ("core", "executor"),
    ("core", "auth_manager"),
    ("core", "execution_api_server_url"),
    ("core", "fernet_key"),
    ("database", "sql_alchemy_conn"),
    ("database", "sql_alchemy_conn_async"),
    ("api", "host"),
    ("api", "port"),
    ("couture_workflow", "home"),
)

#: Warnings that every start would print and nobody here can act on, by the beginning of their text.
QUIET_WARNINGS = (
    "Using `httpx` with",  # FastAPI's own test client, which Airflow imports and never uses
    "starlette.middleware.wsgi is deprecated",  # how Airflow mounts its Flask pages
    "Using the in-memory storage",  # of the log-in's rate limit: right for a single API server process
    "Pydantic serializer warnings",  # how Airflow answers with the lines of a task's log
)


def _dropped() -> set[str]:
    """Return the variables that would make the workbench another one."""
    forced = {f"AIRFLOW__{section}__{option}".upper() for section, option in FORCED}
    return {"AIRFLOW_CONFIG"} | forced | {f"{name}_{way}" for name in forced for way in ("CMD", "SECRET")}


def environment(layout: Layout, *, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every process of the workbench.

    :param base: environment of the caller.
    """
    dropped = {*_dropped(), "COUTURE_ADMIN_PASSWORD", "COUTURE_DATABASE"}
    found = {name: value for name, value in base.items() if name not in dropped}
    ignored = [f"ignore:{text}" for text in QUIET_WARNINGS]
    # Last: who has a Python on the path keeps it; `@task.virtualenv` finds one where there is none.
    path = os.pathsep.join([found.get("PATH") or os.defpath, str(Path(sys.prefix) / "bin")])
    return found | {
        "PATH": path,
        "AIRFLOW_HOME": str(layout.airflow),
        "COUTURE_HOME": str(layout.home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": ",".join([*filter(None, [found.get("PYTHONWARNINGS")]), *ignored]),
    }
