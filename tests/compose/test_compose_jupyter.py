"""JupyterLab in the stack of containers: a server and a user id for each person, and what is out of reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.jupyter import Lab, execute, wait_for
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

HOME = "/var/lib/couture-workflow"
TRY = """
import os
def tried(what, *given):
    try:
        return what(*given)
    except OSError as error:
        return type(error).__name__
print(*{{tried(os.listdir, path) for path in {folders!r}}}, *{{tried(open, path) for path in {files!r}}})
"""
SPARK = """
from couture import spark_session
spark = spark_session()
print(spark.range(1000).where("id % 7 = 0").count(), spark.sparkContext.sparkUser())
spark.stop()
"""


@pytest.fixture(scope="module")
def lab(stack: Stack) -> Iterator[Callable[[str], Lab]]:
    """Return a function that opens the JupyterLab of a role's user; they are closed after the last test."""
    opened: dict[str, Lab] = {}

    def of(role: str) -> Lab:
        if role not in opened:
            opened[role] = Lab(stack.url, role, stack.token(role))
            opened[role].start()
        return opened[role]

    yield of
    for each in opened.values():
        each.http.delete("/api/notebooks/servers/mine")
        each.close()


@pytest.mark.always
def test_a_person_has_a_user_id_a_folder_and_spark(stack: Stack, lab: Callable[[str], Lab]) -> None:
    mine = lab("developer")
    with mine.channels(mine.kernel()) as socket:
        who = execute(socket, "import os; print(os.getuid(), os.getgid(), os.getcwd())").split()
        name = execute(socket, "!id -un").strip()
        execute(socket, "open('report.txt', 'w').write('1'); open('../shared/all.txt', 'w').write('2')")
        counted = execute(socket, SPARK, timeout=300)

    assert 51000 < int(who[0]) < 60000
    assert who[1:] == [who[0], f"{HOME}/notebooks/developer"]
    assert name == "developer"
    assert counted.split()[-2:] == ["143", "developer"]
    # What a person makes, the product can read and back up.
    assert stack.exec("api-server", "cat", f"{HOME}/notebooks/developer/report.txt").stdout.strip() == "1"
    assert stack.exec("worker", "cat", f"{HOME}/notebooks/shared/all.txt").stdout.strip() == "2"
    told = stack.exec(
        "worker", "stat", "--format=%a %g", f"{HOME}/notebooks/shared", f"{HOME}/notebooks/shared/all.txt"
    )
    assert told.stdout.split() == ["2775", "51000", "664", "51000"]


@pytest.mark.always
def test_neither_keys_nor_another_persons_notebooks_can_be_read(
    stack: Stack, lab: Callable[[str], Lab]
) -> None:
    mine, other = lab("developer"), lab("admin")
    with other.channels(other.kernel()) as socket:
        execute(socket, "open('plan.txt', 'w').write('secret')")
        number = execute(socket, "import os; print(os.getuid())").strip()
    folders = [HOME, f"{HOME}/secrets", f"{HOME}/notebooks/admin", "/run/couture/secrets/jupyter"]
    files = [f"{HOME}/notebooks/admin/plan.txt", "/run/couture/secrets/jupyter/secret_key", "/proc/1/environ"]
    with mine.channels(mine.kernel()) as socket:
        refused = execute(socket, TRY.format(folders=folders, files=files))
        variables = execute(socket, "import os; print(*os.environ)")
        reached = execute(socket, "!getent hosts mysql rabbitmq || echo none of them")
        ours = execute(socket, "import os; print(os.getuid())").strip()

    assert set(refused.split()) == {"PermissionError"}
    assert "AIRFLOW" not in variables
    assert reached.strip() == "none of them"
    # Without any wall: the user ids alone keep them apart.
    assert number != ours
    for path in (*folders, *files[:2]):
        as_other = ["docker", "exec", "--user", f"{ours}:{ours}", stack.container("jupyter"), "ls", path]
        found = stack.docker.call(as_other, timeout=60, check=False)
        assert found.returncode != 0, path
        assert "Permission denied" in found.stdout, path


def test_a_killed_service_comes_back_and_only_what_was_not_saved_is_gone(
    stack: Stack, lab: Callable[[str], Lab]
) -> None:
    mine = lab("developer")
    mine.http.put(
        f"{mine.base}/api/contents/developer/kept.txt",
        json={"type": "file", "format": "text", "content": "kept"},
    ).raise_for_status()
    stack.docker.run("kill", "--signal", "KILL", stack.container("jupyter"))

    wait_for(lambda: mine.http.get(f"{mine.base}/api").status_code != 200)
    stack.docker.run("start", stack.container("jupyter"))
    stack.wait_healthy()
    wait_for(lambda: mine.http.post("/api/notebooks/servers/mine").status_code == 200)
    wait_for(lambda: mine.http.get("/api/notebooks/servers/mine").json().get("state") == "ready")

    found = mine.http.get(f"{mine.base}/api/contents/developer/kept.txt").json()
    assert found["content"] == "kept"
