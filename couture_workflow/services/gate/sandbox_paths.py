"""What the sandbox may see of this machine: where Python imports from, which settings of Airflow count."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import couture_workflow

#: Beside Python and the libraries: what programs read to know the machine they are on.
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/lib32",
    "/bin",
    "/opt/java",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls",
    "/etc/protocols",
    "/etc/services",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/filesystems",
    "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu",
)

#: Options of Airflow that decide what a DAG file means, taken over from this process.
_OPTIONS = (
    ("core", "default_timezone"),
    ("core", "dag_ignore_file_syntax"),
    ("core", "dag_discovery_safe_mode"),
    ("core", "plugins_folder"),
    ("core", "default_task_retries"),
    ("core", "default_task_retry_delay"),
    ("core", "default_task_execution_timeout"),
    ("core", "max_active_tasks_per_dag"),
    ("core", "max_active_runs_per_dag"),
    ("core", "executor"),
    ("operators", "default_owner"),
    ("operators", "default_queue"),
    ("scheduler", "catchup_by_default"),
    ("scheduler", "create_cron_data_intervals"),
    ("scheduler", "create_delta_data_intervals"),
)
_KEPT = ("TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "JAVA_HOME", "SPARK_HOME")


def protected() -> tuple[Path, ...]:
    """Return folders and files with secrets or state, which must not be seen."""
    from airflow.configuration import AIRFLOW_CONFIG, AIRFLOW_HOME

    from couture_workflow import settings

    found = [settings.home(), Path(AIRFLOW_HOME), Path(AIRFLOW_CONFIG)]
    found += [Path(value) for name in ("COUTURE_HOME", "AIRFLOW_HOME") if (value := os.environ.get(name))]
    home = Path.home()
    if home != Path("/"):
        found += [path for path in _listed(home) if path.name.startswith(".")]
    return tuple(dict.fromkeys(path.resolve() for path in found))


def hidden() -> tuple[str, ...]:
    """Return the folders that get an empty one put over them, where the system allows that."""
    return tuple(str(path) for path in protected() if path.is_dir())


def import_path() -> list[str]:
    """Return where this process imports modules from."""
    folders = (Path(path) for path in sys.path if path)
    state = [path for path in protected() if path.name and not path.name.startswith(".")]
    plugins = _plugins()
    return [
        str(folder)
        for folder in folders
        if folder.is_absolute()
        and folder.exists()
        and (
            folder == plugins
            or not any(folder.resolve().is_relative_to(path) for path in state)
            or folder.is_relative_to(sys.prefix)
        )
    ]


@cache
def _expanded(path: Path, secrets: tuple[Path, ...]) -> tuple[str, ...]:
    """Return a path, or what is in it without the secrets if some are in it."""
    path = path.resolve()
    if path in secrets or path == Path("/"):
        return ()
    if not any(secret.is_relative_to(path) for secret in secrets):
        return (str(path),)
    return tuple(found for child in _listed(path) for found in _expanded(child, secrets))


def readable() -> tuple[str, ...]:
    """Return what the sandbox may read: the system's libraries, Python and all that it imports from."""
    secrets = protected()
    wanted = [*map(Path, _SYSTEM), *map(Path, {sys.prefix, sys.base_prefix, sys.exec_prefix})]
    wanted += [Path(path) for path in import_path()]
    wanted += _editable()
    return tuple(dict.fromkeys(found for path in wanted for found in _expanded(path, secrets)))


def _editable() -> Iterator[Path]:
    """Iterate over packages that are installed as links to where they are worked on."""
    yield Path(couture_workflow.__file__).parent
    for name, module in tuple(sys.modules.items()):
        if name.startswith("__editable__"):
            yield from map(Path, getattr(module, "MAPPING", {}).values())


def environment(home: str) -> dict[str, str]:
    """Return the environment of the nursery.

    :param home: an empty folder.
    """
    from airflow.configuration import conf

    found = {name: value for name in _KEPT if (value := os.environ.get(name))}
    for section, option in _OPTIONS:
        if value := conf.get(section, option, fallback=""):
            found[f"AIRFLOW__{section}__{option}".upper()] = str(value)
    return {
        "LANG": "C.UTF-8",
        **found,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "sqlite+aiosqlite://",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__COUTURE_WORKFLOW__HOME": _home(),
        "_AIRFLOW_PROCESS_CONTEXT": "client",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _home() -> str:
    from couture_workflow import settings

    return str(settings.home())


def _plugins() -> Path | None:
    from airflow.configuration import conf

    value = conf.get("core", "plugins_folder", fallback="")
    return Path(value) if value else None


def _listed(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return
