"""The secrets of a stack of containers: generated once, each into the folder of those that need it.

Every folder below the root is a volume that only some services mount (``docker-compose.yml``); a worker,
which runs other people's code, gets ``worker`` alone. What was generated is noted in ``admin``, so that a
volume that got lost is a sentence, not a new key that opens nothing.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from couture_workflow.exceptions import StartError
from couture_workflow.services.workbench import airflow_settings as embedded_settings
from couture_workflow.services.workbench import checks as embedded_checks
from couture_workflow.store import atomic

ROOT = Path("/run/couture/secrets")
#: Who reads a secret is decided by who mounts its folder; within a container, group 0 is every user id.
MODE = 0o640
#: Variable of the first password of the administrator.
PASSWORD_VARIABLE = "COUTURE_ADMIN_PASSWORD"  # noqa: S105 (a name)

_NOTE = "admin/generated.json"
_DATABASE = "mysql://{user}:{password}@mysql:3306/{database}?charset=utf8mb4"

Known = dict[str, str]


def _fernet_key(known: Known) -> str:
    return embedded_settings.new_fernet_key()


def _token(known: Known) -> str:
    return embedded_settings.new_token()


def _password(known: Known) -> str:
    return secrets.token_urlsafe(24)


def _admin_password(known: Known) -> str:
    return os.environ.get(PASSWORD_VARIABLE) or secrets.token_urlsafe(12)


def _connection(known: Known) -> str:
    url = _DATABASE.format(user="airflow", password=known["mysql/password"], database="airflow")
    return url.replace("mysql:", "mysql+mysqldb:", 1)


def _broker(known: Known) -> str:
    return f"amqp://airflow:{known['rabbitmq/password']}@rabbitmq:5672//"


def _results(known: Known) -> str:
    url = _DATABASE.format(user="celery", password=secrets.token_urlsafe(24), database="celery")
    # A worker whose network was cut would wait for an answer for a quarter of an hour, and so would its slot.
    url += "&connect_timeout=10&read_timeout=30&write_timeout=30"
    return url.replace("mysql:", "db+mysql+mysqldb:", 1)


#: File below the root -> how it is made, from those before it.
FILES: Mapping[str, Callable[[Known], str]] = {
    "admin/password": _admin_password,
    "mysql/root_password": _password,
    "mysql/password": _password,
    "rabbitmq/password": _password,
    "airflow/fernet_key": _fernet_key,
    "airflow/jwt_secret": _token,
    "airflow/api_secret_key": _token,
    "airflow/sql_alchemy_conn": _connection,
    "worker/broker_url": _broker,
    "worker/result_backend": _results,
    "worker/secret_key": _fernet_key,
}

#: What must be as another one is, for a service that needs nothing else of that folder.
COPIES: Mapping[str, str] = {"jupyter/secret_key": "worker/secret_key"}


def generate(root: Path = ROOT) -> tuple[str, ...]:
    """Generate what is not there yet and return the names of it.

    :raises StartError: a secret that was generated before is gone, or a folder cannot be written.
    """
    embedded_checks.check_password(os.environ.get(PASSWORD_VARIABLE) or None)
    _check_folders(root)
    with atomic.locked(root / "admin" / ".lock"):
        noted = _noted(root)
        if lost := [name for name in noted if name in FILES and not (root / name).is_file()]:
            raise StartError(_lost_sentence(root, lost))
        known: Known = {}
        made = []
        for name, make in FILES.items():
            path = root / name
            if not path.is_file():
                atomic.write(path, make(known).encode(), mode=MODE)
                made.append(name)
            known[name] = path.read_text(encoding="utf-8").strip()
        for name, source in COPIES.items():
            if source in known and (not (root / name).is_file() or read(name, root) != known[source]):
                atomic.write(root / name, known[source].encode(), mode=MODE)
        if made:
            atomic.write(root / _NOTE, json.dumps(sorted({*noted, *FILES})).encode(), mode=MODE)
        return tuple(made)


def read(name: str, root: Path = ROOT) -> str:
    """Return a secret or raise ``StartError``.

    :param name: its file below the root, such as ``admin/password``.
    """
    try:
        return (root / name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartError(
            f"The secret {name} cannot be read ({error.strerror}): {root / name}. The service `secrets` of "
            "docker-compose.yml makes it, and the service `init` can read it: run this command there, with "
            "docker compose run --rm init ..."
        ) from error


def _check_folders(root: Path) -> None:
    for folder in dict.fromkeys((root / name).parent for name in (*FILES, *COPIES)):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StartError(
                f"{folder} is not a folder that user {os.geteuid()} can write to. It has to be a volume, "
                "mounted as docker-compose.yml does for the service `secrets`."
            )


def _noted(root: Path) -> list[str]:
    try:
        found = json.loads((root / _NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError:
        raise StartError(
            f"{root / _NOTE} is damaged: it should be a JSON list of the secrets that were generated. "
            "Restore the volume secrets-admin from a backup."
        ) from None
    return [str(name) for name in found]


def _lost_sentence(root: Path, lost: list[str]) -> str:
    volumes = " and ".join(dict.fromkeys(f"secrets-{name.split('/')[0]}" for name in lost))
    return (
        f"{', '.join(lost)} below {root} was generated before and is gone; a new one would not fit the "
        f"database and what is encrypted in it. Restore the volume {volumes} from a backup. Only to begin "
        "again without any data: docker compose down --volumes."
    )
