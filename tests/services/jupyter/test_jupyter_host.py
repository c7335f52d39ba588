"""People's Jupyter servers with a real host: one for each person, behind walls, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import jwt
import psutil
import pytest
import websockets

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter import accounts, place
from couture_workflow.services.jupyter import host as jupyter_host
from couture_workflow.services.jupyter.client import HostedServers
from couture_workflow.services.jupyter.host import Host
from couture_workflow.services.jupyter.process import BADGE, JupyterProcess, Surroundings, new_key
from couture_workflow.services.jupyter.servers import Person, Server
from tests.support import asynchronous
from tests.support.jupyter_runtime import jupyter_or_skip

pytestmark = pytest.mark.slow

ANN, BOB = Person(number=1, name="ann"), Person(number=2, name="Bob a'b\"<&>/../ü")
PREFIX = "/pre"
T = TypeVar("T")


class RunningHost:
    """A host with a home of its own, as a service of the workbench."""

    def __init__(self, home: Path, **options: str) -> None:
        self.home = home
        self.options = options
        self.home.mkdir(mode=0o700, parents=True)
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        given = {f"AIRFLOW__COUTURE_WORKFLOW__{name.upper()}": value for name, value in self.options.items()}
        place.endpoint_file(self.home).unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "couture_workflow.services.jupyter.host"],
            env={
                **os.environ,
                "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:1{PREFIX}/",
                "AIRFLOW__COUTURE_WORKFLOW__HOME": str(self.home),
                "AIRFLOW__COUTURE_WORKFLOW__CLASS_DATA_ARCHIVE": "False",  # a minute of both cores each
                "MY_API_TOKEN": "a secret of somebody's",
                **given,
            },
        )
        wait_for(lambda: place.endpoint_file(self.home).exists() or self.process.poll() is not None)
        assert self.process.poll() is None

    def servers(self) -> HostedServers:
        """Return the API server's side; for one event loop."""
        return HostedServers(self.home)

    def pids(self) -> list[int]:
        """Return the processes of its servers. A class-data archive that it makes ends by itself."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any(word.endswith("reaper.py") for word in child.cmdline()):
                    found += [child.pid, *(each.pid for each in child.children(recursive=True))]
        return found

    def stop(self) -> None:
        """Stop it as the supervisor does."""
        self.process.terminate()
        self.process.wait(60)


def wait_for(what: Callable[[], Any], *, seconds: float = 120) -> Any:
    """Look until there is something true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    return found


def lives(pid: int) -> bool:
    """Tell whether a process lives; one that waits to be buried does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_lab(process: psutil.Process) -> bool:
    """Tell whether a process is a person's server itself."""
    try:
        words = " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    return "jupyterlab" in words and "reaper" not in words


def is_kernel(pid: int) -> bool:
    """Tell whether a process is a kernel."""
    try:
        return any("ipykernel" in word for word in psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False


def run(work: Callable[[HostedServers], Awaitable[T]], host: RunningHost) -> T:
    async def whole() -> T:
        return await work(host.servers())

    result: T = asynchronous.run(whole())
    return result


async def ready(servers: HostedServers, person: Person) -> Server:
    """Start a person's server and wait until it answers."""
    await servers.start(person)
    while (await servers.progress(person)).state != "ready":
        await asyncio.sleep(0.1)
    found = await servers.find(person)
    assert found is not None
    return found


def client(server: Server, headers: Any = None) -> httpx.AsyncClient:
    kind, _, path = server.address.partition(":")
    assert kind == "unix"
    transport = httpx.AsyncHTTPTransport(uds=path)
    return httpx.AsyncClient(
        transport=transport, base_url=f"http://x{PREFIX}{server.base_path}", headers=headers, timeout=60
    )


async def kernel(servers: HostedServers, person: Person, name: str = "python3") -> tuple[str, dict[str, str]]:
    """Start a kernel in the person's folder; return its id and what its websocket needs."""
    server = await ready(servers, person)
    headers = dict(servers.headers(person, server))
    async with client(server, headers) as http:
        await http.get("lab")
        token = http.cookies["_xsrf"]
        folder = server.base_path.split("/")[2]
        made = await http.post(
            "api/kernels", headers={"X-XSRFToken": token}, json={"name": name, "path": folder}
        )
        assert made.status_code == 201, made.text
        return made.json()["id"], {**headers, "Cookie": f"_xsrf={token}"}


async def execute(servers: HostedServers, person: Person, code: str, *, name: str = "python3") -> str:
    """Run code in a kernel of the person's server and return what it printed."""
    number, headers = await kernel(servers, person, name)
    server = await ready(servers, person)
    path = server.address.removeprefix("unix:")
    address = f"ws://x{PREFIX}{server.base_path}api/kernels/{number}/channels"
    async with websockets.unix_connect(path, address, additional_headers=headers, max_size=None) as socket:
        asked = uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        header = {
            "msg_id": asked,
            "msg_type": "execute_request",
            "session": "s",
            "username": "",
            "version": "5",
        }
        await socket.send(
            json.dumps(
                {
                    "header": {**header, "date": ""},
                    "parent_header": {},
                    "metadata": {},
                    "content": {**content, "user_expressions": {}},
                    "channel": "shell",
                    "buffers": [],
                }
            )
        )
        printed, is_idle, is_done = "", False, False
        while not (is_idle and is_done):
            message = json.loads(await socket.recv())
            if message.get("parent_header", {}).get("msg_id") != asked:
                continue
            kind, said = message["msg_type"], message["content"]
            printed += said["text"] if kind == "stream" else ""
            assert kind != "error", said
            is_done = is_done or kind == "execute_reply"
            is_idle = is_idle or (kind == "status" and said["execution_state"] == "idle")
        return printed


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host whose home has a long and odd name."""
    kernels = another_kernel(tmp_path_factory.mktemp("kernels"))
    host = RunningHost(
        tmp_path_factory.mktemp("x") / ("hö'me %41?# " + "long" * 30), jupyter_path=str(kernels)
    )
    try:
        yield host
    finally:
        host.stop()


def another_kernel(folder: Path) -> Path:
    """Make an environment and a kernel of it below a folder that only its owner can enter; return theirs."""
    runtime, own = Path(jupyter_or_skip()).parents[1], folder / "env"
    (own / "bin").mkdir(parents=True)
    (own / "bin" / "python").symlink_to(runtime / "bin" / "python")
    (own / "pyvenv.cfg").write_bytes((runtime / "pyvenv.cfg").read_bytes())
    (own / "lib").symlink_to(runtime / "lib")
    described = {"display_name": "Other", "language": "python"}
    command = [str(own / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernels" / "other").mkdir(parents=True)
    (folder / "kernels" / "other" / "kernel.json").write_text(json.dumps({**described, "argv": command}))
    folder.chmod(0o755)
    return folder


def test_a_kernel_of_another_environment_runs_behind_the_walls(host: RunningHost) -> None:
    async def both(servers: HostedServers) -> list[str]:
        code = "import sys; print(sys.executable)"
        return [(await execute(servers, ANN, code, name=name)).strip() for name in ("python3", "other")]

    usual, other = run(both, host)

    assert usual != other == str(Path(host.options["jupyter_path"]) / "env" / "bin" / "python")


def test_many_starts_at_once_make_one_server(host: RunningHost) -> None:
    async def many(servers: HostedServers) -> tuple[list[str], int]:
        told = await asyncio.gather(*(servers.start(ANN) for _ in range(20)))
        await ready(servers, ANN)
        return [each.state for each in told], len(await servers.listed())

    states, count = run(many, host)

    assert set(states) <= {"starting", "ready"}
    assert count == 1


def test_only_who_is_told_of_by_the_host_gets_in(host: RunningHost) -> None:
    async def knock(servers: HostedServers) -> dict[str, int]:
        server = await ready(servers, ANN)
        stranger, _ = new_key()
        claims = {"sub": ANN.name, "aud": server.base_path, "iat": int(time.time()) - 100}

        def forged(key: str, **more: Any) -> dict[str, str]:
            return {BADGE: jwt.encode({**claims, "exp": int(time.time()) + 60, **more}, key, "EdDSA")}

        key = servers._keys[ANN]
        tries = {
            "good": servers.headers(ANN, server),
            "none": {},
            "rubbish": {BADGE: "a.b.c"},
            "expired": forged(key, exp=int(time.time()) - 30),
            "another name": forged(key, sub=BOB.name),
            "another server": forged(key, aud="/jupyter/bob/"),
            "another key": forged(stranger),
        }
        found = {}
        for name, headers in tries.items():
            async with client(server, headers) as http:
                found[name] = (await http.get("api/contents")).status_code
        async with client(server, tries["good"]) as http:
            found["no _xsrf"] = (await http.post("api/kernels", json={"name": name})).status_code
            found["token in the address"] = (await http.get("api/contents?token=")).status_code
        return found

    found = run(knock, host)

    assert (found.pop("good"), found.pop("token in the address")) == (200, 200)
    assert set(found.values()) == {403}


def test_lab_shows_what_may_be_seen_and_offers_to_schedule(host: RunningHost) -> None:
    async def look(servers: HostedServers) -> tuple[set[str], str]:
        server = await ready(servers, BOB)
        async with client(server, servers.headers(BOB, server)) as http:
            names = {each["name"] for each in (await http.get("api/contents")).json()["content"]}
            page = (await http.get("lab")).text
            assert (await http.get("lab/extensions/couture-lab/static/remoteEntry.js")).status_code == 200
        return names, page

    names, page = run(look, host)

    own = next(name for name in names if name.startswith("bob-"))
    assert names - {"examples"} == {own, "shared"}
    assert (host.home / "notebooks" / own).is_dir()
    assert "couture-lab" in page


def test_walls_keep_a_notebook_to_its_own_files(host: RunningHost) -> None:
    (host.home / "airflow").mkdir(exist_ok=True)
    secret = host.home / "airflow" / "key"
    secret.write_text("secret")

    async def try_all(servers: HostedServers) -> tuple[str, str, str]:
        server = await ready(servers, BOB)
        of_other = Path(server.address.removeprefix("unix:")).parents[1] / "server.json"
        assert of_other.is_file()
        paths = [
            *(str(secret), "/etc/shadow", "/proc/1/environ", f"/proc/{host.process.pid}/environ"),
            *(str(place.endpoint_file(host.home)), str(of_other)),
        ]
        code = f"""
            import os, socket
            def tried(what):
                try:
                    return what()
                except OSError as error:
                    return type(error).__name__
            for path in {paths!r}:
                print(tried(lambda: open(path).read()))
            print(tried(lambda: os.listdir({str(host.home)!r})))
            print(tried(lambda: os.kill({host.process.pid}, 0)))
            print(tried(lambda: open("/tmp/not-mine", "w")))
        """
        refused = await execute(servers, ANN, "\n".join(line[12:] for line in code.splitlines()))
        names = await execute(servers, ANN, "import os; print(*os.environ)")
        wrote = await execute(
            servers,
            ANN,
            "open('mine.txt', 'w').write('1'); open('../shared/all.txt', 'w').write('2')\n"
            "import multiprocessing, subprocess, tempfile; multiprocessing.Lock(); tempfile.TemporaryFile()\n"
            "print(subprocess.run(['id'], capture_output=True).returncode)",
        )
        return refused, names, wrote

    refused, names, wrote = run(try_all, host)

    assert len(refused.split()) == 9  # refused, or out of sight
    assert set(refused.split()) <= {"PermissionError", "FileNotFoundError"}
    assert not [name for name in names.split() if "AIRFLOW" in name or "TOKEN" in name or "KEY" in name]
    assert wrote.strip() == "0"
    assert (host.home / "notebooks" / "ann" / "mine.txt").read_text() == "1"
    assert (host.home / "notebooks" / "shared" / "all.txt").read_text() == "2"


@pytest.mark.skipif(
    not accounts._may_take() or not Path(jupyter_host.__file__).stat().st_mode & 0o004,
    reason="only root may take other accounts, and only those that can read this clone's files",
)
def test_each_person_is_an_account_of_the_system_that_has_a_name(host: RunningHost) -> None:
    code = (
        "import os, subprocess as s; open('mine.txt', 'w').write('1')\n"
        "open('../shared/both.txt', 'a').write('2')\n"
        "print(os.getuid(), s.run(['id', '-un'], capture_output=True, text=True).stdout)"
    )

    async def both(servers: HostedServers) -> list[list[str]]:
        return [(await execute(servers, person, code)).split() for person in (ANN, BOB)]

    ann, bob = run(both, host)

    assert ann[0] != bob[0]
    assert ann[-1] == "ann"
    assert bob[-1].startswith("bob-")
    assert min(int(ann[0]), int(bob[0])) > 2_100_000_000
    notebooks = host.home / "notebooks"
    assert (notebooks / "ann" / "mine.txt").stat().st_uid == int(ann[0])
    assert (notebooks / "ann").stat().st_mode & 0o777 == 0o770
    assert (notebooks / "shared" / "both.txt").read_text() == "22"


def test_a_notebook_reaches_neither_sockets_nor_terminals_of_others(host: RunningHost) -> None:
    shared = Path("/dev/shm") / f"couture-{os.getpid()}"

    async def try_all(servers: HostedServers) -> str:
        of_bob = await ready(servers, BOB)
        await execute(servers, BOB, "1")
        folder = Path(of_bob.address.removeprefix("unix:")).parent
        endpoint = place.read_endpoint(host.home)
        assert endpoint is not None
        sockets = [*(str(path) for path in folder.iterdir() if path.is_socket()), endpoint.socket]
        assert len(sockets) >= 7  # the server's, five of its kernel, the host's
        code = f"""
            import os, pathlib, pty, socket
            def tried(path):
                try:
                    socket.socket(socket.AF_UNIX).connect(path)
                except OSError as error:
                    return type(error).__name__
            print(*{{tried(path) for path in {sockets!r}}})
            print(os.stat('/dev/pts').st_dev == {Path("/dev/pts").stat().st_dev}, end=' ')
            print(os.path.exists({str(shared)!r}), os.path.exists('/run/docker.sock'))
            ours, theirs = pty.openpty()
            print(os.ttyname(theirs)[:9])
            print(socket.getaddrinfo('localhost', 1) != [])
            """
        return await execute(servers, ANN, "\n".join(line[12:] for line in code.splitlines()))

    shared.write_text("x")
    try:
        said = run(try_all, host)
    finally:
        shared.unlink()

    assert said.split() == ["FileNotFoundError", *["False"] * 3, "/dev/pts/", "True"]


def test_the_host_answers_nobody_without_the_secret(host: RunningHost) -> None:
    async def ask() -> bytes:
        endpoint = place.read_endpoint(host.home)
        assert endpoint is not None
        reader, writer = await asyncio.open_unix_connection(endpoint.socket)
        writer.write(json.dumps({"secret": "x", "do": "list"}).encode() + b"\n")
        answer = await reader.read()
        writer.close()
        return answer

    assert asynchronous.run(ask()) == b""
    assert place.endpoint_file(host.home).stat().st_mode & 0o777 == 0o600


def test_list_tells_memory_and_kernels_and_a_stop_leaves_nothing(host: RunningHost) -> None:
    async def list_and_stop(servers: HostedServers) -> tuple[Any, list[int], str]:
        await execute(servers, ANN, "print(1)")
        listed = None
        while listed is None or not listed.kernels:  # one that is slow to answer is listed as it was before
            listed = next(each for each in await servers.listed() if each.person == ANN)
        before = host.pids()
        await servers.stop(ANN)
        return listed, before, (await servers.progress(ANN)).state

    listed, before, state = run(list_and_stop, host)

    assert listed.memory > 50 << 20
    assert (listed.kernels, listed.busy) >= (1, 0)
    assert state == "stopped"
    assert len(host.pids()) < len(before)


def test_a_server_that_is_killed_is_started_again(host: RunningHost) -> None:
    async def kill(servers: HostedServers) -> None:
        await ready(servers, ANN)
        for process in psutil.Process(host.process.pid).children(recursive=True):
            if is_lab(process):
                process.kill()
        while (await servers.progress(ANN)).state == "ready":
            await asyncio.sleep(0.1)
        await ready(servers, ANN)

    run(kill, host)


def test_nothing_is_left_when_the_host_is_killed(tmp_path: Path) -> None:
    host = RunningHost(tmp_path / "home")

    async def open_lab(servers: HostedServers) -> list[int]:
        await execute(
            servers, ANN, "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True)"
        )
        return host.pids()

    pids = run(open_lab, host)
    assert len(pids) >= 4
    host.process.send_signal(signal.SIGKILL)
    host.process.wait()

    with contextlib.suppress(AssertionError):
        wait_for(lambda: not [pid for pid in pids if lives(pid)], seconds=60)
    assert [psutil.Process(pid).cmdline() for pid in pids if lives(pid)] == []
    host.start()  # what was left of its state is cleared
    run(lambda servers: ready(servers, ANN), host)
    host.stop()
    assert not Path(place.state_folder(host.home)).joinpath("1").exists()
    place.state_folder(host.home).rmdir()


def test_limits_of_servers_and_of_time(tmp_path: Path) -> None:
    host = RunningHost(tmp_path / "home", jupyter_servers="1", jupyter_idle="0.25")

    async def beyond(servers: HostedServers) -> None:
        await ready(servers, ANN)
        with pytest.raises(JupyterError, match="1 people have a Jupyter server"):
            await servers.start(BOB)
        number, headers = await kernel(servers, ANN)
        server = await ready(servers, ANN)
        async with client(server, headers) as http:
            before = (await http.get("api/kernels")).json()[0]["id"]
        assert before == number
        while (await servers.progress(ANN)).state == "ready":  # nobody is connected, and nothing runs
            await asyncio.sleep(0.2)

    try:
        run(beyond, host)
    finally:
        host.stop()


def test_a_kernel_with_too_much_memory_is_ended_and_its_server_goes_on(tmp_path: Path) -> None:
    host = RunningHost(tmp_path / "home", jupyter_memory="300")

    async def beyond(servers: HostedServers) -> None:
        await ready(servers, ANN)
        pids = set(host.pids())
        asked = asyncio.create_task(
            execute(servers, ANN, "x = bytearray(1 << 30)\nimport time; time.sleep(600)")
        )
        hungry = None
        while hungry is None:  # its memory cannot be waited for: the host may be the first to see it
            assert not asked.done(), asked
            await asyncio.sleep(0.1)
            hungry = next((pid for pid in set(host.pids()) - pids if is_kernel(pid)), None)
        while lives(hungry):
            await asyncio.sleep(0.1)
        assert not asked.done(), asked
        assert (await servers.progress(ANN)).state == "ready"
        asked.cancel()

    try:
        run(beyond, host)
    finally:
        host.stop()


class Asked:
    """As much of a server as a list asks for; ``look`` ends when all that were made are asked at once."""

    ready, is_ending = True, False

    def __init__(self, person: Person, looks: Callable[[], Awaitable[Any]]) -> None:
        self.person, self.look = person, looks
        self.since = datetime(2026, 1, 1, tzinfo=UTC)
        self.status = {"list": [{"execution_state": "busy"}]}

    def last_activity(self) -> datetime:
        return self.since

    def processes(self) -> list[psutil.Process]:
        return []


def names_listed(*looks: Callable[[], Awaitable[Any]]) -> list[str]:
    """Return who is in a list of servers that look in these ways."""

    async def answer() -> list[str]:
        host = Host(lambda: pytest.fail("nothing is started"), most=9, memory=0)
        asked: Any = {str(n): Asked(Person(number=n, name=str(n)), look) for n, look in enumerate(looks)}
        host._servers = asked
        return [each["name"] for each in (await host.answer({"do": "list"}))["servers"]]

    return asynchronous.run(asyncio.wait_for(answer(), 60))


def test_a_process_that_ends_while_memory_is_counted_takes_nothing_along() -> None:
    gone, other = (subprocess.Popen(["sleep", "600"]) for _ in range(2))
    try:
        processes = [psutil.Process(each.pid) for each in (gone, other)]
        gone.kill()
        gone.wait()
        server: Any = SimpleNamespace(person=ANN, leader=0, processes=lambda: processes)

        Host(lambda: pytest.fail("nothing is started"), most=1, memory=1)._hold(server)

        assert lives(other.pid)
    finally:
        other.kill()
        other.wait()


def test_a_list_asks_all_servers_at_once() -> None:
    barrier = asyncio.Barrier(3)
    assert names_listed(barrier.wait, barrier.wait, barrier.wait) == ["0", "1", "2"]


def test_a_server_that_hangs_is_listed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jupyter_host, "_LONGEST_LOOK", 0.05)

    async def well() -> bool:
        return True

    assert names_listed(well, lambda: asyncio.sleep(3600), well) == ["0", "1", "2"]


def test_a_look_at_a_server_that_is_being_stopped_says_no(tmp_path: Path) -> None:
    """The stop closes the client between the two questions of a look."""
    given = Surroundings(home=tmp_path, state=tmp_path, python=Path(sys.executable), prefix="", idle=60)

    async def stop_meanwhile() -> bool:
        server = JupyterProcess(ANN, given)
        server.socket.parent.mkdir(parents=True)
        server.socket.touch()

        async def answer(request: httpx.Request) -> httpx.Response:
            await server.stop()
            return httpx.Response(200, json={})

        server._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        return await server.look()

    assert asynchronous.run(stop_meanwhile()) is False
