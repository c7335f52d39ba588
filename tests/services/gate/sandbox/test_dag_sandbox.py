"""The sandbox: what a DAG file can do to the machine while it is checked, which is nothing.

Each attack runs with all walls, and without the namespaces, as in most containers. The ones that only
one wall stops run without each of the others too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from couture_workflow.services.gate import sandbox as dag_sandbox
from couture_workflow.services.gate.check import check
from couture_workflow.services.gate.problems import Report
from couture_workflow.services.gate.sandbox import Parsed, Question, Tree
from couture_workflow.services.processes.walls import Limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

HEAD = "import os, sys, time\nfrom airflow.sdk import DAG\n"
QUICK = Limits(seconds=4)

#: Walls that a test leaves out -> its name.
CONTAINER = ("namespaces",)
EITHER = pytest.mark.parametrize("without", [(), CONTAINER], ids=["all walls", "no namespaces"])


def look(files: Mapping[str, bytes], changed: Sequence[str]) -> Report:
    # Airflow parses files that speak of both.
    return check({path: b"# airflow dag\n" + code for path, code in files.items()}, changed, store=None)


def run(body: str, *, without: tuple[str, ...] = (), limits: Limits = QUICK, **question: Any) -> Parsed:
    with Tree({"a.py": (HEAD + body).encode()}, limits=limits, without=without) as tree:
        return tree.parse(["a.py"], Question(**question))[0]


def outcome(body: str, **options: Any) -> str:
    """Return how the last expression of a body ended: its value, or the error that it raised."""
    probe = (
        "def probe():\n"
        + "".join(f"    {line}\n" for line in body.strip().splitlines())
        + "try:\n    answer = repr(probe())\nexcept BaseException as error:\n"
        "    answer = f'{type(error).__name__} {getattr(error, \"errno\", None)}'\n"
        "d = DAG('probe', schedule=None, description=answer)\n"
    )
    parsed = run(probe, **options)
    assert not parsed.why and not parsed.found["errors"], parsed
    return str(parsed.found["dags"][0]["settings"]["description"])


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    if (nursery := dag_sandbox._nursery._process) is None:
        return
    assert nursery.poll() is None
    deadline = time.monotonic() + 5
    while (left := psutil.Process(nursery.pid).children(recursive=True)) and time.monotonic() < deadline:
        if all(each.status() == psutil.STATUS_ZOMBIE for each in left):
            break
        time.sleep(0.05)
    assert [each for each in left if each.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.always
@pytest.mark.slow
def test_a_dag_file_is_told_as_data() -> None:
    parsed = run("d = DAG('hello', schedule='@daily', tags=['x'])\n")

    assert [dag["dag_id"] for dag in parsed.found["dags"]] == ["hello"], parsed
    assert parsed.found["dags"][0]["line"] == 3
    assert parsed.walls >= {"landlock", "seccomp"}


@pytest.mark.always
@EITHER
@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("return os.fork()", "PermissionError 1"),
        ("import subprocess\nreturn subprocess.run(['/bin/true'])", "PermissionError 1"),
        ("return os.system('true')", "32512"),
        ("return os.posix_spawn('/bin/true', ['true'], {})", "PermissionError 1"),
        ("return os.execv('/bin/true', ['true'])", "PermissionError 1"),
        ("import pty\nreturn pty.fork()", None),
        (
            "import multiprocessing as m\n"
            "return m.get_context('fork').Process(target=print).start()",
            "PermissionError 1"),
        ("import socket\nreturn socket.socket()", "PermissionError 1"),
        ("import socket\nreturn socket.socket(socket.AF_UNIX)", "PermissionError 1"),
        ("import socket\nreturn socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", "PermissionError 1"),
        (
            "import resource\nreturn resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))",
            "ValueError None"),
        ("return os.memfd_create('x')", "PermissionError 1"),
        ("return os.setns(0, 0) if hasattr(os, 'setns') else os.unshare(0)", None),
        ("import ctypes\nreturn ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)", "-1"),
        ("import ctypes\nreturn ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, b'')", "-1"),
        ("import ctypes\nreturn ctypes.CDLL(None).unshare(0x10000000)", "-1"),
        ("import ctypes\nreturn ctypes.CDLL(None).syscall(425, 1, 0)", "-1"),
        ("import ctypes\nreturn ctypes.CDLL(None).syscall(452, 1, 0)", "-1"),
        ("os.setuid(1) if os.getuid() else os.setuid(65534)\nreturn 1", None),
        ("return os.nice(-5)", "PermissionError 1"),
    ],
)  # fmt: skip
def test_what_a_dag_file_may_not_do_fails_like_any_call(
    body: str, refused: str | None, without: tuple[str, ...]
) -> None:
    answer = outcome(body, without=without)

    assert answer == refused or (refused is None and "Error" in answer)


@EITHER
def test_threads_work(without: tuple[str, ...]) -> None:
    body = (
        "import threading\nfound = []\n"
        "t = threading.Thread(target=found.append, args=[1])\nt.start()\nt.join()\n"
        "return found"
    )

    assert outcome(body, without=without) == "[1]"


@EITHER
@pytest.mark.parametrize(
    "target", ["-1", "0", "os.getppid() or 1", "victim"], ids=["all", "group", "parent", "server"]
)
@pytest.mark.parametrize(
    "how",
    [
        "os.kill(target, 9)",
        "os.killpg(target, 9)",
        "ctypes.CDLL(None, use_errno=True).syscall(234, target, target, 9) and 1 / 0",
        "open_file_signal(target)",
        "ctypes.CDLL(None).prlimit(target, 0, (ctypes.c_ulong * 2)(1, 1), None) and 1 / 0",
    ],
    ids=["kill", "killpg", "tgkill", "fcntl", "prlimit"],
)
def test_no_process_can_be_signalled(how: str, target: str, without: tuple[str, ...]) -> None:
    """A process of the same user stands for the server; the signal is one that it would die of."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as victim:
        try:
            body = (
                "import ctypes, fcntl, socket\n"
                f"target = {target.replace('victim', str(victim.pid))}\n"
                "def open_file_signal(target):\n"
                "    ours, theirs = socket.socketpair()\n"
                "    fcntl.fcntl(ours, fcntl.F_SETOWN, target)\n"
                "    fcntl.fcntl(ours, 10, 9)\n"
                "    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)\n"
                "    theirs.send(b'x')\n"
                f"{how}\n"
                "return 'done'"
            )

            outcome(body, without=without)

            assert victim.poll() is None
        finally:
            victim.kill()


@pytest.mark.always
@pytest.mark.parametrize("wall", ["seccomp", "landlock"])
def test_the_server_is_safe_from_signals_without_one_of_the_walls(wall: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as victim:
        try:
            outcome(f"os.kill({victim.pid}, 9)\nreturn 1", without=(wall,))

            assert victim.poll() is None
        finally:
            victim.kill()


@pytest.mark.always
@pytest.mark.slow
@EITHER
def test_an_endless_loop_is_stopped_and_told(without: tuple[str, ...]) -> None:
    parsed = run("while True: pass\n", without=without, limits=Limits(seconds=1))

    assert "AirflowTaskTimeout" in [error["type"] for error in parsed.found["errors"]]
    assert parsed.found["errors"][0]["frames"][-1] == ["a.py", 3]


@pytest.mark.slow
@EITHER
@pytest.mark.parametrize(
    "stubborn",
    [
        (
            "import signal\nfor s in range(1, 65):\n"
            "    try: signal.signal(s, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\nwhile True: pass\n"
        ),
        "import itertools\nmax(itertools.count())\n",
        "while True:\n    try: time.sleep(100)\n    except BaseException: pass\n",
        (
            "import threading\nthreading.Thread(target=time.sleep, args=[1000]).start()\n"
            "while True:\n    try: time.sleep(9)\n    except BaseException: pass\n"
        ),
        "os.close(3)\ntime.sleep(1000)\n",
        (
            "try: os.setpgrp()\nexcept OSError: pass\nwhile True:\n    try: time.sleep(9)\n"
            "    except BaseException: pass\n"
        ),
    ],
    ids=["ignores signals", "never leaves C", "swallows", "thread", "closes its pipe", "own group"],
)  # fmt: skip
def test_what_does_not_want_to_end_is_killed(stubborn: str, without: tuple[str, ...]) -> None:
    began = time.monotonic()

    parsed = run(stubborn, without=without, limits=Limits(seconds=1))

    assert parsed.why in ("time", "ended")
    assert not parsed.found
    assert time.monotonic() - began < 30


@pytest.mark.always
@EITHER
@pytest.mark.parametrize(
    "body",
    ["os._exit(0)\n", "os.kill(os.getpid(), 9)\n", "import ctypes\nctypes.string_at(0)\n", "os.abort()\n"],
)
def test_a_file_that_ends_its_process_is_told_apart(body: str, without: tuple[str, ...]) -> None:
    parsed = run(body, without=without)

    # In its own namespace a process is the first one and immune to its own signals.
    assert parsed.why == "ended" or ("kill" in body and not without)


def test_an_exit_is_an_error_of_the_file() -> None:
    assert run("sys.exit(3)\n").found["errors"][0]["type"] == "SystemExit"


@EITHER
def test_ten_gigabytes_are_refused(without: tuple[str, ...]) -> None:
    assert outcome("return len(bytearray(10 * 2**30))", without=without) == "MemoryError None"


@pytest.mark.always
@pytest.mark.slow
@EITHER
def test_memory_grows_to_the_limit_only(without: tuple[str, ...]) -> None:
    limits = Limits(seconds=20, memory=2**30)

    parsed = run("kept = []\nwhile True: kept.append(bytearray(2**24))\n", without=without, limits=limits)

    assert parsed.why == "ended" or parsed.found["errors"][0]["type"] == "MemoryError"


@pytest.mark.always
@pytest.mark.slow
@EITHER
def test_a_thread_bomb_is_stopped(without: tuple[str, ...]) -> None:
    body = (
        "import threading\nthreading.stack_size(32768)\n"
        "while True: threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n"
    )

    assert run(body, without=without).why in ("threads", "ended")


@EITHER
def test_gigabytes_on_standard_output_go_nowhere(without: tuple[str, ...]) -> None:
    body = (
        "text = 'x' * 2**20\nfor _ in range(2048):\n"
        "    os.write(1, text.encode()); os.write(2, b'y')\nprint(text)\n"
        "d = DAG('d', schedule=None)\n"
    )

    parsed = run(body, without=without, limits=Limits(seconds=20))

    assert [dag["dag_id"] for dag in parsed.found["dags"]] == ["d"]


@pytest.mark.slow
@EITHER
def test_an_endless_answer_is_cut_off(without: tuple[str, ...]) -> None:
    assert run("while True: os.write(3, b'[' * 2**16)\n", without=without).why == "output"


FORGED = [
    b"[" * 100_000,
    b"null",
    b"\xff\xfe",
    b'{"dags": 1, "errors": "x"}',
    b'{"dags": [1, {"tasks": {"a": 1}}]}',
    b'{"asked": [1]}',
    b'{"warnings": 5}',
    b'{"warnings": [{"path": [], "line": "x"}]}',
    b'{"reads": true}',
    b'{"reads": [1]}',
    b'{"errors": [{"type": "E", "message": "m", "frames": [["a", 1, 2]]}]}',
    b'{"errors": [{"type": "E", "message": "m", "frames": 1}]}',
    b'{"dags": [{"dag_id": 1}]}',
    b'{"asked": {"made_up": [null]}}',
    b'{"repeated": 5}',
    b'{"repeated": [{"dag_id": "x", "lines": ["1"], "path": "", "place": [1, 2]}]}',
    b'{"errors": [{"type": "E", "message": "m", "frames": [], "place": [1]}]}',
    b'{"errors": [{"type": "E", "message": "m", "frames": [], "place": [1, -2, 1, 1]}]}',
]


@pytest.mark.parametrize("answer", FORGED)
def test_a_forged_answer_is_refused_with_a_sentence(answer: bytes) -> None:
    report = look({"a.py": f"import os\nos.write(3, {answer!r})\nos._exit(0)\n".encode()}, ["a.py"])

    (problem,) = report.errors
    assert problem.code == "sandbox" and "writes into the channel" in problem.message


def test_an_answer_of_too_many_dags_is_not_looked_at() -> None:
    code = "import json, os\nos.write(3, json.dumps({'dags': [{}] * 50_000}).encode())\nos._exit(0)\n"

    (problem,) = look({"a.py": code.encode()}, ["a.py"]).errors

    assert "too large" in problem.message and problem.advice == "Split the file."


@pytest.mark.always
def test_a_forged_answer_tells_nothing_of_other_files() -> None:
    dag = {
        **dict.fromkeys(("dag_id", "path", "schedule"), "b.py"),
        **dict.fromkeys(("parameters", "groups", "settings"), {}),
        **dict.fromkeys(("tags", "owners", "tasks", "edges", "mentions", "connections", "templates"), []),
        "line": 1,
    }
    code = f"import json, os\nos.write(3, json.dumps({{'dags': [{dag!r}]}}).encode())\nos._exit(0)\n"

    (graph,) = look({"a.py": code.encode(), "b.py": b""}, ["a.py"]).graphs

    assert (graph.dag_id, graph.path) == ("b.py", "a.py")


def test_forged_findings_are_only_text() -> None:
    finding = dict.fromkeys(("name", "task", "argument", "message", "path"), "\ud800<b>")
    codes = ("pool", "notebook", "not-json", "missing-template", "missing-include", "template", "nonsense")
    place = [2**31 - 1] * 4
    dag = {
        **dict.fromkeys(("dag_id", "path", "schedule"), "x"),
        **dict.fromkeys(("parameters", "groups", "settings"), {}),
        **dict.fromkeys(("tags", "owners", "tasks", "edges", "mentions", "connections", "templates"), []),
        "line": 1,
        "findings": [{**finding, "code": code, "place": place} for code in codes],
        "places": [["", "x", *place]],
    }
    again = {"dag_id": "\ud800", "lines": [3, 4], "path": "", "place": place}
    answer = {"dags": [dag], "repeated": [again]}
    code = f"import json, os\nos.write(3, json.dumps({answer!r}).encode())\nos._exit(0)\n"

    report = look({"a.py": code.encode()}, ["a.py"])

    assert "duplicate-dag" in {each.code for each in report.errors}
    assert "missing-template" in {each.code for each in report.warnings}
    json.dumps(report.json()).encode()
    assert "\ud800" not in str([each.message for each in report.problems])


@pytest.mark.parametrize(
    "code", ["import warnings\nwarnings.warn('a \\ud800 b')\n", "raise ValueError('a \\ud800 b')\n"]
)
def test_characters_that_no_page_can_carry_are_shown_as_their_escapes(code: str) -> None:
    (problem,) = look({"a.py": code.encode()}, ["a.py"]).problems

    assert "a \\ud800 b" in problem.message
    assert json.dumps(problem.json(), ensure_ascii=False).encode()


@pytest.mark.slow
@EITHER
def test_the_disk_cannot_be_filled(without: tuple[str, ...]) -> None:
    body = (
        "import tempfile\nfolder = tempfile.gettempdir()\ncount = 0\n"
        "while count < 400:\n"
        "    with open(f'{folder}/{count}', 'wb') as f: f.write(bytes(2**20))\n"
        "    count += 1\n"
        "return count"
    )
    parsed = run(f"def probe():\n    {body.replace(chr(10), chr(10) + '    ')}\nprobe()\n", without=without)

    assert parsed.why == "scratch" or parsed.found["errors"][0]["errno"] == 28


@pytest.mark.always
@EITHER
def test_temporary_files_work_and_are_removed(without: tuple[str, ...]) -> None:
    body = (
        "import tempfile\nfolder = tempfile.mkdtemp()\n"
        "open(folder + '/x', 'w').write('1')\nos.symlink('/etc', folder + '/link')\n"
        "return folder"
    )

    folder = outcome(body, without=without).strip("'")

    assert folder.startswith(tempfile.gettempdir())
    assert not Path(folder).exists()


def test_a_folder_that_is_hard_to_remove_is_removed() -> None:
    body = (
        "import tempfile\nos.chdir(tempfile.mkdtemp())\nfor _ in range(1500):\n"
        "    os.mkdir('d' * 60)\n    os.chdir('d' * 60)\nos.mkdir('x', 0)\n"
    )

    with Tree({"a.py": (HEAD + body).encode()}, limits=QUICK, without=CONTAINER) as tree:
        tree.parse(["a.py"], Question())
        assert (tree._root / "dags" / "a.py").exists()

    assert not tree._root.exists()


@pytest.mark.always
@pytest.mark.parametrize("without", [(), CONTAINER, ("seccomp",), ("namespaces", "seccomp")], ids=str)
def test_secrets_cannot_be_read(store: Any, tmp_path: Path, without: tuple[str, ...]) -> None:
    from airflow.configuration import AIRFLOW_CONFIG, AIRFLOW_HOME

    secrets = [store.root / "version", Path(AIRFLOW_HOME), Path(AIRFLOW_CONFIG).parent, tmp_path]
    secrets += [Path("/etc/shadow"), Path("/proc/1/environ"), Path(f"/proc/{os.getpid()}/mem")]
    for secret in secrets:
        verb = "os.listdir" if secret.is_dir() else "open"
        answer = outcome(f"return bool({verb}({str(secret)!r}))", without=without)
        assert answer in ("PermissionError 13", "FileNotFoundError 2", "False"), secret


def test_the_product_s_state_cannot_be_read_without_landlock(store: Any) -> None:
    path = str(store.root / "version")
    parsed_walls = run("", without=("landlock",)).walls
    if "mounts" not in parsed_walls:
        pytest.skip("this machine forbids namespaces")

    assert outcome(f"return open({path!r}).read()", without=("landlock",)) == "FileNotFoundError 2"


@pytest.mark.always
@pytest.mark.parametrize(
    "without", [(), CONTAINER, ("landlock",), ("namespaces", "landlock"), ("seccomp",)], ids=str
)
@pytest.mark.parametrize(
    "body",
    [
        "open(path, 'w').write('x')",
        "os.truncate(path, 0)",
        "os.unlink(path)",
        "os.rename(path, path + 'x')",
        "os.link(path, path + 'l')",
    ],
)
def test_nothing_of_the_project_can_be_changed(tmp_path: Path, body: str, without: tuple[str, ...]) -> None:
    import couture_workflow

    victim = tmp_path / "victim.txt"
    victim.write_text("intact")
    for path in (victim, Path(couture_workflow.__file__)):
        before = path.read_bytes()

        answer = outcome(f"path = {str(path)!r}\n{body}\nreturn 'done'", without=without)

        assert "Error" in answer
        assert path.read_bytes() == before


@EITHER
def test_rights_and_times_of_files_cannot_be_changed(without: tuple[str, ...]) -> None:
    import couture_workflow

    path = couture_workflow.__file__
    for body in (f"os.chmod({path!r}, 0)", f"os.utime({path!r})", f"os.chown({path!r}, 1, 1)"):
        assert outcome(f"{body}\nreturn 1", without=without) == "PermissionError 1"


@EITHER
def test_a_link_out_of_the_scratch_folder_leads_nowhere(tmp_path: Path, without: tuple[str, ...]) -> None:
    (tmp_path / "secret").write_text("x")
    body = (
        f"import tempfile\nlink = tempfile.mktemp()\n"
        f"os.symlink({str(tmp_path / 'secret')!r}, link)\nreturn open(link).read()"
    )

    assert outcome(body, without=without) in ("PermissionError 13", "FileNotFoundError 2")


@pytest.mark.always
@EITHER
def test_the_tree_is_read_only_and_other_checks_are_out_of_sight(without: tuple[str, ...]) -> None:
    with Tree({"other.py": b"secret"}) as other:
        answer = outcome(f"return os.listdir({str(other._root)!r})", without=without)
        changed = outcome("open(__file__, 'a').write('x')\nreturn 1", without=without)

    assert answer == "PermissionError 13"
    assert changed in ("PermissionError 13", "OSError 30")


@pytest.mark.slow
def test_nothing_secret_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "secret")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    dag_sandbox._nursery.stop()

    answer = outcome("return sorted(name for name, value in os.environ.items() if 'secret' in value)")

    assert answer == "[]"


def test_variables_and_connections_are_answered_from_what_is_known() -> None:
    body = (
        "from airflow.sdk import Variable, Connection\nfrom airflow.models import Variable as Old\n"
        "return Variable.get('a'), Old.get('b', deserialize_json=True), Variable.get('c', default=None), "
        "Connection.get('k').conn_id"
    )

    answer = outcome(body, variables={"a": "1", "b": '{"x": 2}'}, connections=["k"])

    assert answer == "('1', {'x': 2}, None, 'k')"


def test_a_full_scratch_folder_of_one_check_does_not_touch_another() -> None:
    results: list[Parsed] = []
    with Tree({f"{n}.py": (HEAD + f"d = DAG('d{n}', schedule=None)\n").encode() for n in range(6)}) as tree:
        results += tree.parse([f"{n}.py" for n in range(6)], Question())

    assert [result.found["dags"][0]["dag_id"] for result in results] == [f"d{n}" for n in range(6)]


@pytest.mark.slow
def test_checks_at_the_same_time_do_not_wait_for_an_endless_one() -> None:
    slow = threading.Thread(target=run, args=["while True: pass\n"], kwargs={"limits": Limits(seconds=3)})
    slow.start()
    done = run("d = DAG('quick', schedule=None)\n")

    assert slow.is_alive()
    assert done.found["dags"][0]["dag_id"] == "quick"
    slow.join()


@pytest.mark.slow
def test_a_nursery_that_was_killed_is_started_again() -> None:
    run("")
    nursery = dag_sandbox._nursery._process
    assert nursery is not None
    os.kill(nursery.pid, signal.SIGKILL)

    assert run("d = DAG('again', schedule=None)\n").found["dags"][0]["dag_id"] == "again"


def test_paths_that_lead_out_are_refused(tmp_path: Path) -> None:
    from couture_workflow.exceptions import StorageError

    for path in ("../x.py", "/etc/x.py", "a/../../x.py"):
        with pytest.raises(StorageError), Tree({path: b""}):
            pass


@pytest.mark.always
def test_an_ordinary_user_is_walled_in_too(tmp_path: Path) -> None:
    """Root has other powers to lose; so the same once more as nobody."""
    if os.geteuid() != 0:
        pytest.skip("the other tests ran as an ordinary user")
    script = (
        "import sys, json\nsys.path[:0] = json.loads(sys.argv[1])\n"
        "from couture_workflow.services.gate.sandbox import Tree, Question\n"
        "body = b'''import os\\nfrom airflow.sdk import DAG\\nfound = []\\n"
        'for call in (os.fork, lambda: os.kill(-1, 9), lambda: os.kill(int(os.environ["VICTIM"]), 9), '
        'lambda: open("/tmp/x-nobody", "w"), lambda: os.listdir(os.environ["SECRET"])):\\n'
        "    try: found.append(str(call()))\\n"
        "    except OSError as error: found.append(error.errno)\\n"
        "d = DAG(\"d\", schedule=None, description=str(found))\\n'''\n"
        "for without in ((), ('namespaces',)):\n"
        "    with Tree({'a.py': body}, without=without) as tree:\n"
        "        asked = Question(environment={'VICTIM': sys.argv[2], 'SECRET': sys.argv[3]})\n"
        "        found = tree.parse(['a.py'], asked)[0]\n"
        "        said = found.found['dags'][0]['settings']['description']\n"
        "        print(json.dumps([sorted(found.walls), said]))\n"
    )
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    (home / "secret").mkdir(mode=0o777)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home / "secret")}
    try:
        subprocess.run([sys.executable, "-c", ""], user=65534, group=65534, check=True, capture_output=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("nobody may not run this Python")
    victim = subprocess.Popen(["sleep", "60"], user=65534, group=65534)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, "[]", str(victim.pid), str(home / "secret")],
            user=65534, group=65534, extra_groups=[], env=environment, cwd="/",
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(lines) == 2, done.stderr[-2000:]
    for line in lines:
        assert "landlock" in line and "seccomp" in line
        assert line.split('"')[-2].startswith("[1, ") and "'" not in line.split('"')[-2], line


@pytest.mark.slow
def test_the_nursery_collects_what_it_forked_without_another_request() -> None:
    run("DAG('a', schedule=None)")
    nursery = psutil.Process(dag_sandbox._nursery._process.pid)  # type: ignore[union-attr]

    deadline = time.monotonic() + 20
    while (left := nursery.children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not left
