"""The host of Jupyter servers: one process that starts, lists and ends them, and outlives the API server.

``python -m couture_workflow.services.jupyter.host``. It listens on a socket of files, one line of JSON in and
one out, and asks for the secret that the home has for it: any process of this account could connect. Servers
end with it, whatever ends it: each has a reaper that watches this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError, JupyterError
from couture_workflow.services.jupyter import accounts, place
from couture_workflow.services.jupyter.accounts import Account, Accounts
from couture_workflow.services.jupyter.process import JupyterProcess, Prepare, Surroundings
from couture_workflow.services.jupyter.servers import Person
from couture_workflow.services.notebooks import examples, kernels, people
from couture_workflow.services.runtimes import installed
from couture_workflow.services.spark import notebook_session
from couture_workflow.store.home import Store, open_to

log = logging.getLogger(__name__)

#: Seconds between two looks at the servers, and that a list waits for one of them.
_LOOK, _LONGEST_LOOK = 2.0, 2.0
_LONGEST = 64 * 1024
_CLASS_DATA = "class-data"
_NO_ROOM = (
    "JupyterLab of %s has no namespaces of its own, since this machine lets this account make none: "
    "notebooks can open sockets and terminals of this account, also other people's. See docs/jupyter.md."
)


class Host:
    """All servers of one home.

    :param most: servers at once.
    :param memory: bytes that the processes of one server have at most.
    :param prepare: called in a thread with the person, the server's folder and its account before each start,
        and whenever the person opens JupyterLab; returns variables for kernels.
    """

    def __init__(
        self,
        surroundings: Callable[[], Surroundings],
        *,
        most: int,
        memory: int,
        prepare: Prepare = lambda person, folder, account: {},
    ) -> None:
        self._surroundings, self._prepare = surroundings, prepare
        self.most, self.memory = most, memory
        self._servers: dict[str, JupyterProcess] = {}
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._problems: dict[str, str] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def answer(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked and say how it went."""
        if order["do"] == "list":
            ready = [each for each in self._servers.values() if each.ready and not each.is_ending]
            return {"servers": await asyncio.gather(*(self._listed(each) for each in ready))}
        person = Person(number=int(order["number"]), name=str(order["name"]))
        key = people.folder_name(person.name)
        if order["do"] == "start":
            self._problems.pop(key, None)
            await self._begin(key, person)
        elif order["do"] == "stop":
            await self._stop(key)
        return self._state(key)

    async def _begin(self, key: str, person: Person) -> None:
        server = self._servers.get(key)
        if key in self._starts:
            return
        if server is not None and not server.is_ending and not server.ended:
            await asyncio.to_thread(server.refresh)
            return
        if len({*self._servers, *self._starts} - {key}) >= self.most:
            raise JupyterError(
                f"{self.most} people have a Jupyter server, which is the most at once. Ask an administrator "
                "to stop one (Jupyter Servers) or to raise [couture_workflow] jupyter_servers."
            )
        self._starts[key] = asyncio.create_task(self._start(key, person, server))

    async def _start(self, key: str, person: Person, former: JupyterProcess | None) -> None:
        try:
            await self._turn(key).acquire()
        except asyncio.CancelledError:
            self._starts.pop(key, None)
            raise
        try:
            if former is not None:
                await former.stop()
            server = JupyterProcess(person, await asyncio.to_thread(self._surroundings), self._prepare)
            self._servers[key] = server
            await server.start()
            log.info("JupyterLab of %s is there", person.name)
            if not server.has_room:
                log.warning(_NO_ROOM, person.name)
        except (CoutureError, OSError) as error:
            log.warning("JupyterLab of %s did not start: %s", person.name, error)
            self._problems[key] = str(error)
            if (failed := self._servers.pop(key, None)) is not None:
                await failed.stop()
        finally:
            self._starts.pop(key, None)
            self._turn(key).release()

    def _turn(self, key: str) -> asyncio.Lock:
        """Return what only one start or stop of a person's server holds: both have the same folder."""
        return self._turns.setdefault(key, asyncio.Lock())

    def _state(self, key: str) -> dict[str, Any]:
        server = self._servers.get(key)
        if key in self._starts:
            waits_for = server.waits_for if server else "Waiting for the folders of your notebooks."
            return {"state": "starting", "waits_for": waits_for}
        if server is None or server.ended or server.is_ending:
            return {"state": "stopped", "problem": self._problems.get(key, "")}
        return {
            "state": "ready",
            "socket": str(server.socket),
            "base_path": server.base_path,
            "key": server.private_key,
            "number": server.person.number,
        }

    async def _stop(self, key: str) -> None:
        if (task := self._starts.get(key)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with self._turn(key):
            if (server := self._servers.pop(key, None)) is not None:
                await server.stop()
                log.info("JupyterLab of %s has ended", server.person.name)

    async def _listed(self, server: JupyterProcess) -> dict[str, Any]:
        with contextlib.suppress(TimeoutError):  # then what it said last
            await asyncio.wait_for(server.look(), _LONGEST_LOOK)
        kernels = server.status.get("list", [])
        return {
            "number": server.person.number,
            "name": server.person.name,
            "since": server.since.isoformat(),
            "last_activity": server.last_activity().isoformat(),
            "memory": await asyncio.to_thread(lambda: memory_of(server.processes())),
            "kernels": len(kernels),
            "busy": sum(each.get("execution_state") == "busy" for each in kernels),
        }

    async def keep(self, alive: Path) -> None:
        """Look after the servers: bury the dead, end the idle, hold each to its memory.

        :param alive: file that is touched again and again, as a sign of life.
        """
        turn = 0
        while True:
            await asyncio.to_thread(alive.touch)
            await asyncio.sleep(_LOOK)
            turn += 1
            await asyncio.gather(*(self._keep(*each, turn) for each in list(self._servers.items())))

    async def _keep(self, key: str, server: JupyterProcess, turn: int) -> None:
        """Look after one server."""
        if key in self._starts:
            return
        if server.ended:
            log.warning("JupyterLab of %s ended by itself", server.person.name)
            await self._stop(key)
            return
        await asyncio.to_thread(self._hold, server)
        often = max(1, int(min(30, server.surroundings.idle / 4) / _LOOK))
        if turn % often:
            return
        with contextlib.suppress(TimeoutError):  # the next turn is everybody's
            answers = await asyncio.wait_for(server.look(), _LONGEST_LOOK)
            if answers and server.is_idle():
                log.info("Nobody uses JupyterLab of %s", server.person.name)
                await self._stop(key)

    def _hold(self, server: JupyterProcess) -> None:
        """Kill the largest kernel, or what else is largest, of a server that takes too much memory."""
        processes = server.processes()
        if not self.memory or memory_of(processes) <= self.memory:
            return
        try:
            below = [each for each in processes if each.ppid() not in (server.leader, os.getpid())]
        except psutil.NoSuchProcess:
            return  # something has ended meanwhile: the next look tells whether that is enough
        largest = max(below or processes, key=lambda each: memory_of([each]))
        log.warning(
            "JupyterLab of %s had more than %d MiB; its largest process, %d, is killed",
            *(server.person.name, self.memory >> 20, largest.pid),
        )
        with contextlib.suppress(psutil.NoSuchProcess):
            largest.kill()

    async def end(self) -> None:
        """End all servers."""
        await asyncio.gather(*(self._stop(key) for key in {*self._servers, *self._starts}))


def memory_of(processes: list[psutil.Process]) -> int:
    """Return the bytes that processes have, what they share counted once for each."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


async def serve(host: Host, home: Path) -> None:
    """Answer until SIGTERM."""
    state = await asyncio.to_thread(_cleared, home)
    path, secret = state / "host", secrets.token_urlsafe(32)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            order = json.loads(await reader.readline())
            if not hmac.compare_digest(str(order.get("secret")).encode(), secret.encode()):
                return
            try:
                said = await host.answer(order)
            except CoutureError as error:
                said = {"error": str(error)}
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        except (ValueError, KeyError, TypeError, AttributeError, ConnectionError) as error:
            log.warning("A request was not understood: %s", error)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(one, path, limit=_LONGEST)
    path.chmod(0o600)
    place.write_endpoint(home, place.Endpoint(str(path), secret))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keeper = asyncio.create_task(host.keep(state / "alive"))
    keeper.add_done_callback(lambda _: stop.set())
    async with server:
        await stop.wait()
    keeper.cancel()
    await host.end()
    place.endpoint_file(home).unlink(missing_ok=True)
    shutil.rmtree(state, ignore_errors=True)


def _cleared(home: Path) -> Path:
    """Return the folder of the state without what a killed host left: its reapers ended the servers."""
    state = place.state_folder(home)
    for path in state.iterdir():
        if path.name == _CLASS_DATA:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return state


def surroundings(home: Path, numbers: Accounts | None) -> Surroundings:
    """Return what servers need, from the options, or raise ``RuntimeMissingError``."""
    from airflow.configuration import conf

    python, offered = Path(installed.jupyterlab()), settings.jupyter_path()
    if numbers is not None and not _is_for_all(python):
        numbers = None
    for path in offered if numbers is not None else ():
        if accounts.unreadable([path, path / "kernels"]) is not None:
            log.warning(
                "Kernels of %s are not offered: others cannot read it. Type: chmod -R go+rX %s", path, path
            )
    return Surroundings(
        home=home,
        state=place.state_folder(home),
        python=python,
        prefix=urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/"),
        idle=int(settings.jupyter_idle() * 60),
        kernels=offered,
        readable=(*installed.readable_by_notebooks(), *kernels.programs(), class_data(home)),
        walls=settings.jupyter_walls(),
        accounts=numbers,
    )


def _is_for_all(python: Path) -> bool:
    """Tell whether other accounts of the operating system can run the Jupyter runtime."""
    packages = [path.parent for path in python.parents[1].glob("lib/python3.*/site-packages/jupyterlab")]
    if (path := accounts.unreadable([python, *packages, Path(__file__)])) is not None:
        log.warning(
            "Jupyter servers run as this account, not as one for each person: others cannot read %s. Type: "
            "chmod -R go+rX %s",
            *(path, path if path.is_dir() else path.parent),
        )
    return path is None


def class_data(home: Path) -> Path:
    """Return the folder of archives for kernels: accounts of containers cannot enter the home's."""
    given = settings.jupyter_state()
    return given / _CLASS_DATA if given else home / "cache" / _CLASS_DATA


def spark_session(home: Path, person: Person, folder: Path, account: Account | None) -> Mapping[str, str]:
    """Write what sessions of a person's notebooks are made from; return the variables that tell where it is.

    :param folder: of the person's server, to which notebooks have no right to write.
    """
    archives = class_data(home)
    if account is not None and archives.is_dir():
        for path in (archives, *archives.glob("*.jsa")):
            path.chmod(0o755 if path == archives else 0o644)
    return notebook_session.write(
        Store.open(home),
        folder / "spark-session.json",
        scratch=folder / "tmp",
        copies=folder / "spark-files",
        reader=notebook_session.Reader(uid=account.uid, gid=account.uid) if account else None,
        train=True,
        cache=archives,
    )


def main() -> None:
    """Run the host of the configured home."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s - %(message)s")
    for name in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    home = settings.home().absolute()
    os.umask(open_to(home))
    examples.place(home)
    numbers = accounts.of_home(home, settings.jupyter_first_number())
    host = Host(
        lambda: surroundings(home, numbers),
        most=settings.jupyter_servers(),
        memory=settings.jupyter_memory() << 20,
        prepare=partial(spark_session, home),
    )
    asyncio.run(serve(host, home))


if __name__ == "__main__":
    main()
