"""What ``docker compose up -d worker`` brings up: all healthy, in time, closed, and safe to repeat."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN

from tests.support.images import PRODUCT, ROOT, Docker, Images
from tests.support.stack import LONG_RUNNING, FirstStart, Stack, compose_1, start_limit

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

AIRFLOW = (
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
    "dag-sync",
    "jupyter",
    "serving",
    "worker",
)
#: Service -> the folders of secrets that it may read.
SECRETS = {
    "mysql": {"mysql"},
    "rabbitmq": {"rabbitmq"},
    "api-server": {"airflow", "worker"},
    "scheduler": {"airflow", "worker"},
    "dag-processor": {"airflow", "worker"},
    "triggerer": {"airflow", "worker"},
    "dag-sync": {"worker"},
    "jupyter": {"jupyter"},
    "serving": set(),
    "worker": {"worker"},
}
CORES = len(os.sched_getaffinity(0))
#: What an entry point needs before it becomes the user of its server.
CAPABILITIES = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
#: Service -> those that it may have; the host of Jupyter servers ends processes of other users.
ADDED = {"mysql": CAPABILITIES, "rabbitmq": CAPABILITIES, "jupyter": CAPABILITIES | {"FSETID", "KILL"}}
#: Lines of the logs that may look like a problem, each with its reason.
EXPECTED = (
    # The name of uvicorn's logger for all that is no request.
    r"\[info +\].*\[uvicorn\.error\]",
    # The stand-in of MySQL may not place its memory by node, and says so at each start.
    r"get_mempolicy|NUMA|container_aware",
    # MySQL makes its certificates itself; the connections stay within the network of the containers.
    r"CA certificate .* is self signed",
    # A socket in a tmpfs of its own that only this container sees.
    r"Insecure configuration for --pid-file",
    # During the first initialisation, before there is a password.
    r"root@localhost is created with an empty password",
    # Airflow's roles come before the first user, who is made a moment later.
    r"No user yet created",
    # A busy machine makes the triggerer wait; it says so from a fifth of a second on.
    r"Triggerer's async thread was blocked",
    # RabbitMQ is alone, and its store is empty at the first start.
    r"Classic peer discovery backend|rebuilding indices from scratch",
    # RabbitMQ announces what a later version will leave out.
    r"deprecated|Deprecated|Its use will not be permitted|To (continue|test)|By default, this feature",
)
SUSPICIOUS = re.compile(r"traceback|\bwarn(ing)?\b|\berror\b|\bcritical\b|exception", re.IGNORECASE)
#: Prints what an image has no use for: compilers, installers, caches, secrets.
SEARCH = """
for program in gcc g++ cc make ld pip uv; do command -v $program; done
find / -xdev -type f '(' -name '*.whl' -o -path '*/.cache/*' -o -name '*.a' ')' 2> /dev/null
ls /var/lib/apt/lists
find /run/couture -type f
"""
WHERE = """
from airflow.sdk import DAG, task

with DAG("where", schedule=None):

    @task
    def here(number):
        import socket, time
        time.sleep(4)
        return socket.gethostname()

    here.expand(number=list(range(12)))
"""


@pytest.mark.always
def test_all_is_healthy_in_time_and_the_logs_tell_of_no_problem(first_start: FirstStart) -> None:
    odd = [
        line
        for line in first_start.logs.splitlines()
        if SUSPICIOUS.search(line) and not any(re.search(reason, line) for reason in EXPECTED)
    ]

    assert len(first_start.logs.splitlines()) > len(LONG_RUNNING)
    assert first_start.seconds < first_start.limit
    assert not odd, "\n".join(odd)


def test_docker_compose_1_brings_up_the_stack_of_a_person(
    another: Callable[..., Stack], docker: Docker, report: Callable[[str], None]
) -> None:
    person = {"COUTURE_WORKFLOW_USER": "alice"}
    old, allowed = another("v1", composer=compose_1(docker), settings=person), start_limit()

    seconds = old.up()

    report(f"docker-compose 1.29 up -d worker: all healthy after {seconds:.0f} s.")
    assert old.api.get("/api/v2/monitor/health").json()["scheduler"]["status"] == "healthy"
    old.save_dag("alice/where.py", WHERE, dag_id="where")
    assert old.api.get("/api/v2/dags/where").json()["owners"] == ["alice"]
    token = httpx.post(f"{old.url}/auth/token", json=account(old.admin_password)).json()["access_token"]
    browser = {"Accept": "text/html", "Cookie": f"{COOKIE_NAME_JWT_TOKEN}={token}"}
    arrived = httpx.get(f"{old.url}/", headers=browser)
    assert arrived.headers["location"].endswith("/dags?owners=alice")
    assert "WARNING" not in old.compose("config", "-q").stdout
    assert seconds < allowed


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before = {name: stack.container(name) for name in LONG_RUNNING}
    started = {each["Id"]: each["State"]["StartedAt"] for each in stack.containers()}
    digests = secret_digests(stack)

    stack.up()

    assert {name: stack.container(name) for name in LONG_RUNNING} == before
    assert {each["Id"]: each["State"]["StartedAt"] for each in stack.containers()} == started
    assert secret_digests(stack) == digests
    assert httpx.post(f"{stack.url}/auth/token", json=account(stack.admin_password)).status_code == 201


def test_two_inits_at_once_agree(stack: Stack) -> None:
    said: list[tuple[int, str]] = []

    def init() -> None:
        done = stack.compose("run", "--rm", "--no-deps", "init", check=False, timeout=300)
        said.append((done.returncode, done.stdout))

    threads = [threading.Thread(target=init) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [code for code, _ in said] == [0, 0], said
    assert stack.unhealthy() == []


@pytest.mark.always
def test_pages_and_model_server_are_published_on_loopback_and_nothing_else(stack: Stack) -> None:
    published = {
        (service(each), inside, outside["HostIp"], outside["HostPort"])
        for each in stack.containers()
        for inside, listeners in each["NetworkSettings"]["Ports"].items()
        for outside in listeners or ()
    }

    assert published == {
        ("api-server", "8080/tcp", "127.0.0.1", str(stack.port)),
        ("serving", "8500/tcp", "127.0.0.1", str(stack.grpc_port)),
        ("serving", "8501/tcp", "127.0.0.1", str(stack.serving_port)),
    }


@pytest.mark.always
def test_database_and_broker_have_no_way_out(stack: Stack, docker: Docker) -> None:
    networks = {
        name: set(container["NetworkSettings"]["Networks"])
        for name in ("mysql", "rabbitmq")
        for container in stack.containers(name)
    }
    names = set.union(*networks.values())

    assert names == {f"{stack.project}_data"}
    assert json.loads(docker.run("network", "inspect", *names).stdout)[0]["Internal"]


@pytest.mark.always
def test_every_volume_has_a_name_and_goes_with_the_stack(stack: Stack) -> None:
    volumes = {
        (service(each), mount["Destination"]): mount["Name"]
        for each in stack.containers(stopped=True)
        for mount in each["Mounts"]
        if mount["Type"] == "volume"
    }

    assert volumes["worker", "/tmp"] == f"{stack.project}_tmp"
    assert [where for where, name in volumes.items() if not name.startswith(f"{stack.project}_")] == []


def test_a_first_start_builds_one_image_and_looks_for_it_once(
    another: Callable[..., Stack], docker: Docker, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(docker.variables, "COUTURE_IMAGE", "couture-workflow-first:test")
    new = another("first")
    build = {"context": str(ROOT), "args": {"BASE": images.base}}
    (new.folder / "base.json").write_text(json.dumps({"services": {"secrets": {"build": build}}}))
    title = ["--filter", "label=org.opencontainers.image.title=Couture Workflow"]
    unnamed = ["images", "--quiet", "--filter", "dangling=true", *title]
    before = docker.run(*unnamed).stdout.split()
    try:
        files = ["-f", "docker-compose.yml", "-f", "base.json"]
        said = new.compose(*files, "create", "--no-recreate").stdout
        made = {each["Image"] for each in new.containers(stopped=True) if service(each) in AIRFLOW}

        assert made == {docker.image("couture-workflow-first:test")["Id"]}
        assert set(re.findall(r"^ *(\S+) (?:Pulling|Warning|Error)\b", said, re.MULTILINE)) <= {"secrets"}
        assert set(docker.run(*unnamed).stdout.split()) == set(before)
    finally:
        new.down()
        docker.run("rmi", "couture-workflow-first:test", check=False)


@pytest.mark.always
def test_containers_are_hardened(stack: Stack) -> None:
    for each in stack.containers(stopped=True):
        host = each["HostConfig"]
        added = {name.removeprefix("CAP_") for name in host["CapAdd"] or ()}

        assert host["ReadonlyRootfs"], each["Name"]
        assert not host["Privileged"], each["Name"]
        assert host["CapDrop"] == ["ALL"], each["Name"]
        assert added <= ADDED.get(service(each), set()), each["Name"]
        assert [word.split(":")[0] for word in host["SecurityOpt"]] == ["no-new-privileges"], each["Name"]
        assert host["Memory"] > 0, each["Name"]
        assert host["LogConfig"]["Config"].keys() == {"max-size", "max-file"}, each["Name"]
        assert host["RestartPolicy"]["Name"] == (
            "no" if service(each) in {"secrets", "init"} else "unless-stopped"
        )


@pytest.mark.always
@pytest.mark.parametrize("name", LONG_RUNNING)
def test_no_process_runs_as_root(name: str, stack: Stack) -> None:
    uids = {process.uid for process in stack.processes(name)}
    if name == "jupyter":  # people's servers have numbers of their own
        uids = {uid for uid in uids if not 51000 < uid < 60000}

    assert uids == ({50000} if name in AIRFLOW else {999})


@pytest.mark.parametrize("name", AIRFLOW)
def test_nothing_but_data_can_be_written(name: str, stack: Stack) -> None:
    for path in ("/opt/couture/app/x", "/opt/airflow/x", "/usr/x", "/opt/couture/venv/x"):
        assert stack.exec(name, "touch", path, check=False).returncode != 0, path


@pytest.mark.always
@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_has_the_secrets_that_it_needs_and_no_others(name: str, stack: Stack) -> None:
    (container,) = stack.containers(name)
    mounted = {
        mount["Destination"].removeprefix("/run/couture/secrets/"): mount["RW"]
        for mount in container["Mounts"]
        if mount["Destination"].startswith("/run/couture/secrets")
    }
    files = stack.exec(name, "find", "/run/couture/secrets", "-type", "f").stdout.split()

    assert mounted == dict.fromkeys(SECRETS[name], False)
    assert {path.split("/")[4] for path in files} == SECRETS[name]


def test_no_default_password_works(stack: Stack) -> None:
    for name in ("superadmin", "admin", "airflow"):
        for word in (name, "admin", "airflow", "password", "superadmin", ""):
            answer = httpx.post(
                f"{stack.url}/auth/token", json={"username": name, "password": word}, timeout=60
            )
            assert answer.status_code in {400, 401, 422, 429}, (name, word)
    for user in ("root", "airflow", "celery", "guest"):
        client = ["mysql", "--host=127.0.0.1", f"--user={user}", "--execute=SELECT 1"]
        assert stack.exec("mysql", *client, check=False).returncode != 0, user
    guest = stack.exec("rabbitmq", "rabbitmqctl", "authenticate_user", "guest", "guest", check=False)
    assert guest.returncode != 0, guest.stdout


def test_no_secret_is_told(stack: Stack, docker: Docker) -> None:
    known = secret_values(stack)
    told = (
        json.dumps(stack.containers(stopped=True))
        + stack.logs()
        + docker.run("history", PRODUCT, "--no-trunc").stdout
    )
    for name in AIRFLOW:
        shown = stack.exec(name, "cat", "/proc/1/environ", check=name != "jupyter")
        told += shown.stdout
        if name == "jupyter":  # it has capabilities, so that nobody beside it sees into it
            assert "Permission denied" in shown.stdout

    assert len(known) == 11
    assert [name for name, value in known.items() if value in told] == []


def test_scaled_workers_all_run_tasks(stack: Stack) -> None:
    stack.save_dag("where.py", WHERE)
    try:
        stack.up("--scale", "worker=3", "worker")
        run_id = stack.trigger("where")
        stack.wait_run("where", run_id)
        hosts = {task["hostname"] for task in stack.task_instances("where", run_id)}

        assert len(hosts) == 3
    finally:
        stack.up("--scale", "worker=1", "worker")


@pytest.mark.always
def test_image_is_described_and_holds_only_what_runs(docker: Docker) -> None:
    image: Any = docker.image(PRODUCT)
    labels = image["Config"]["Labels"]
    found = docker.run("run", "--rm", "--network=none", "--entrypoint", "sh", PRODUCT, "-c", SEARCH).stdout

    assert found.split() == []
    assert image["Config"]["Healthcheck"]["Test"]
    assert image["Config"]["User"] == "50000:0"
    assert {"title", "description", "licenses", "version", "revision", "created"} <= {
        name.removeprefix("org.opencontainers.image.") for name in labels
    }
    assert not any("PASSWORD" in line or "SECRET" in line for line in image["Config"]["Env"])


def test_any_user_id_of_group_0_runs_the_image(docker: Docker) -> None:
    words = ["run", "--rm", "--network=none", "--user", "123456:0", "--cap-drop=ALL", PRODUCT]

    said = docker.run(
        *words, "sh", "-c", "id -un; couture-workflow version; touch /opt/airflow/logs/x && echo written"
    )

    assert said.stdout.splitlines()[0] == "airflow"
    assert "couture-workflow" in said.stdout
    assert said.stdout.splitlines()[-1] == "written"


@pytest.mark.always
def test_nothing_listens_for_the_network(stack: Stack) -> None:
    with socket.socket() as probe:
        probe.settimeout(5)
        address = socket.gethostbyname(socket.gethostname())
        if address.startswith("127."):
            pytest.skip("this machine has no other address than loopback")
        assert probe.connect_ex((address, stack.port)) != 0
    with socket.socket() as probe:
        probe.settimeout(5)
        assert probe.connect_ex((address, stack.serving_port)) != 0


def service(container: dict[str, Any]) -> str:
    """Return the service of a container."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def account(password: str) -> dict[str, str]:
    """Return what the log-in wants."""
    return {"username": "superadmin", "password": password}


def secret_values(stack: Stack) -> dict[str, str]:
    """Return every secret by its name."""
    found = {}
    program = "cd /run/couture/secrets && for f in */*; do echo $f $(cat $f); done"
    said = [stack.exec(name, "sh", "-c", program).stdout for name in ("mysql", "rabbitmq", "api-server")]
    said.append(f"admin/password {stack.admin_password}")
    for line in "\n".join(said).splitlines():
        name, _, value = line.partition(" ")
        if value:
            found[name] = value
    return found


def secret_digests(stack: Stack) -> str:
    """Return what tells whether a secret was made anew."""
    return json.dumps(sorted(secret_values(stack).items()))


@pytest.mark.parametrize(
    ("options", "slots", "tasks"),
    [
        (("--cpus=1", "--memory=6g"), 4, 14),
        (("--memory=6g",), min(4 * CORES, 8), 14 * CORES),
        (("--memory=2500m", "--cpus=1"), 3, 14),
        (("--memory=512m", "--cpus=1"), 2, 14),
        (("--env=AIRFLOW__CELERY__WORKER_CONCURRENCY=10",), 10, 35),
        (("--env=AIRFLOW__CORE__PARALLELISM=7", "--cpus=1"), 4, 7),
    ],
)
def test_slots_follow_the_cores_and_the_memory_of_the_container(
    options: tuple[str, ...], slots: int, tasks: int, docker: Docker
) -> None:
    said = "echo $AIRFLOW__CELERY__WORKER_CONCURRENCY $AIRFLOW__CORE__PARALLELISM"

    done = docker.run("run", "--rm", "--network=none", *options, PRODUCT, "sh", "-c", said)

    assert done.stdout.split() == [str(slots), str(tasks)]
