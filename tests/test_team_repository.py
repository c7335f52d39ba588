"""The shipped team repository: its CI files do what they say, and a push reaches new runs only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git.remote import Remote
from couture_workflow.store.home import Store
from tests.support import team
from tests.support.git_server import git
from tests.support.workbench import Workbench, command

SECONDS = 240.0
DAG = "/api/v2/dags/team_orders"


def seen(look: Callable[[], Any], what: str) -> Any:
    """Return what a look finds as soon as it finds something."""
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return found


@pytest.mark.slow
def test_the_lines_of_both_ci_files_check_the_repository(tmp_path: Path) -> None:
    folder = team.copied(tmp_path / "team repository")
    report = folder / ".reports" / "dags-lint.json"
    steps = [script for name, script in team.github().items() if name in ("check: Lint", "check: Test")]
    assert steps[1:] == ["pytest"] and set(team.gitlab()["check"]) >= {
        "pytest",
        team.github()["check: Run a DAG"],
    }

    for script in [*steps, *(line for line in team.gitlab()["check"] if line != "pytest")]:
        done = team.run(folder, script, {})
        assert done.returncode == 0, done.stdout + done.stderr

    assert "team_orders: success, 3 task(s)." in done.stdout
    assert git(folder, "status", "--porcelain") == ""
    assert not [row for row in json.loads(report.read_text()) if row["severity"] != "info"]

    (folder / "shared" / "prices.py").write_text("def gross(net)\n")
    done = team.run(folder, team.gitlab()["check"][1], {})
    worst = json.loads(report.read_text())[0]
    place = (worst["location"]["path"], worst["location"]["lines"]["begin"])
    assert (done.returncode, worst["severity"], place) == (1, "blocker", ("shared/prices.py", 1))
    assert "shared/prices.py:1:" in done.stderr


def test_the_hook_of_pre_commit_is_one_that_is_offered() -> None:
    import yaml

    offered = yaml.safe_load((Path(__file__).parents[1] / ".pre-commit-hooks.yaml").read_text())
    (used,) = team.read(".pre-commit-config.yaml")["repos"]

    assert [hook["id"] for hook in used["hooks"]] == [hook["id"] for hook in offered]


class Followed:
    """A workbench that follows a remote which begins with all that the workbench has."""

    def __init__(self, workbench: Workbench, folder: Path) -> None:
        self.workbench = workbench
        key = (workbench.home / "airflow" / "keys" / "fernet_key").read_text().strip()
        self.store = Store(workbench.home, secret_key=key)
        self.clone = folder / "clone"
        git(folder, "clone", "--quiet", "--bare", str(self.store.dags.path), "remote.git")
        git(folder, "clone", "--quiet", "remote.git", "clone")
        self._save(Remote(url=f"file://{folder}/remote.git", interval=86400))

    def push(self, message: str) -> str:
        """Commit what the clone has, push it and return the commit."""
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", "--message", message)
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")
        return git(self.clone, "rev-parse", "HEAD")

    def disconnect(self) -> None:
        """Follow no more."""
        self._save(Remote())

    def _save(self, remote: Remote) -> None:
        git_remote.save(self.store, remote, user="ann", base=git_remote.load(self.store).commit)


def reloaded(workbench: Workbench, folder: Path) -> Any:
    """Run `couture-workflow dags reload` against the workbench, from elsewhere."""
    words = f"'{command()[0]}' dags reload --url {workbench.url} --user admin"
    return team.run(folder, words, {"COUTURE_PASSWORD": workbench.password("admin")})


def wait_for_version(client: httpx.Client, commit: str) -> None:
    """Wait until Airflow has the DAG of a version."""

    def look() -> bool:
        answer = client.get(DAG)
        return answer.status_code == 200 and answer.json()["bundle_version"] == commit

    seen(look, f"the DAG of {commit} does not appear")


def trigger(client: httpx.Client, file: Path | None = None) -> str:
    """Start a run and return its address."""
    conf = {"file": str(file)} if file else {}
    answer = client.post(f"{DAG}/dagRuns", json={"logical_date": None, "conf": conf}).raise_for_status()
    return f"{DAG}/dagRuns/{answer.json()['dag_run_id']}"


def told(client: httpx.Client, run: str) -> str:
    """Wait for the end of a run and return what its last task says."""
    state = seen(
        lambda: (found := client.get(run).json()["state"]) in ("success", "failed") and found,
        f"{run} goes on",
    )
    assert state == "success", client.get(f"{run}/taskInstances").text
    return str(client.get(f"{run}/taskInstances/tell/xcomEntries/return_value").json()["value"])


@pytest.fixture
def sent(workbench: Workbench, tmp_path: Path) -> Path:
    """Send the files of the repository as CI does without a remote; return the folder."""
    folder = team.copied(tmp_path / "team")
    variables = {"COUTURE_URL": workbench.url, "COUTURE_USER": "deployer"}
    variables |= {"COUTURE_PASSWORD": workbench.password("deployer"), "GITHUB_SHA": "a1b2c3"}
    done = team.run(folder, team.github()["deliver: Send the files to the workbench"], variables)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in team.gitlab()["push"]:
        again = team.run(folder, line, {**variables, "CI_COMMIT_SHA": "a1b2c3"})
        assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(again.stdout)["counts"]["same"] > 5
    assert not {"tests/test_code.py", "README.md"} & set(Store(workbench.home).dags.paths())
    return folder


@pytest.fixture
def followed(workbench: Workbench, sent: Path, tmp_path: Path) -> Iterator[Followed]:
    """Let the workbench follow a remote, and give it back as it was."""
    following = Followed(workbench, tmp_path)
    yield following
    for name in (".airflowignore", ".gitmodules", "dags", "plugins", "shared", "orders_team"):
        git(following.clone, "rm", "-r", "-q", "-f", "--ignore-unmatch", name)
    following.push("remove the team")
    done = reloaded(workbench, tmp_path)
    following.disconnect()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.workbench
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_change_of_shared_code_reaches_new_runs_only(
    workbench: Workbench, followed: Followed, sent: Path, tmp_path: Path
) -> None:
    client = workbench.client("admin")
    first = followed.store.dags.head()
    assert first is not None
    wait_for_version(client, first)
    client.patch(DAG, json={"is_paused": False}).raise_for_status()
    late, early = tmp_path / "late.csv", sent / "dags" / "sample" / "orders.csv"
    running = trigger(client, late)
    waits = f"{running}/taskInstances/wait"
    seen(lambda: client.get(waits).json()["state"] == "running", "the sensor does not start")

    prices = followed.clone / "shared" / "prices.py"
    prices.write_text(prices.read_text().replace("TAX = 19", "TAX = 20"))
    second = followed.push("more tax")
    secret = {"COUTURE_URL": workbench.url, "COUTURE_HOOK_SECRET": git_remote.hook_secret(followed.store)}
    for script in (
        team.github()["deliver: Ask the workbench for a look at this repository"],
        *team.gitlab()["hook"],
    ):
        done = team.run(sent, script, secret)
        assert done.returncode == 0, done.stdout + done.stderr
    wait_for_version(client, second)

    assert told(client, trigger(client, early)) == "3 orders, 47.99 with 20 % tax"
    assert client.get(waits).json()["state"] == "running"
    late.write_text(early.read_text())
    assert told(client, running) == "3 orders, 47.59 with 19 % tax"

    prices.write_text("TAX = 20\n")
    followed.push("without the function")
    done = reloaded(workbench, tmp_path)
    assert (done.returncode, "changed: shared/prices.py\n" in done.stdout) == (1, True), (
        done.stdout + done.stderr
    )
    assert "plugins/operators/sum_orders.py:12:1: error:" in done.stdout, done.stdout

    a_central_repository_has_it_as_a_submodule(workbench, followed, sent, tmp_path)


def a_central_repository_has_it_as_a_submodule(
    workbench: Workbench, followed: Followed, sent: Path, tmp_path: Path
) -> None:
    """Replace the files by a submodule with the same files: its DAGs find their code all the same."""
    git(tmp_path, "clone", "--quiet", "--bare", str(sent), "orders.git")
    git(followed.clone, "rm", "-r", "-q", "dags", "plugins", "shared", ".airflowignore")
    commit = git(sent, "rev-parse", "HEAD")
    (followed.clone / ".gitmodules").write_text(
        '[submodule "orders_team"]\n\tpath = orders_team\n\turl = ../orders.git\n'
    )
    (followed.clone / "orders_team").mkdir()
    git(followed.clone, "update-index", "--add", "--cacheinfo", f"160000,{commit},orders_team")
    git(followed.clone, "add", ".gitmodules")
    git(followed.clone, "commit", "--quiet", "--message", "a submodule")
    git(followed.clone, "push", "--quiet", "origin", "HEAD:main")

    done = reloaded(workbench, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "added: orders_team/shared/prices.py\n" in done.stdout
    client = workbench.client("admin")
    wait_for_version(client, git(followed.clone, "rev-parse", "HEAD"))
    assert told(client, trigger(client)) == "3 orders, 47.59 with 19 % tax"
