"""What a run of a notebook leaves beside its output: its own folder, its record, its progress."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import InvalidError, NotebookError
from couture_workflow.operators import CoutureJupyterOperator
from couture_workflow.services.notebooks import outputs, progress
from couture_workflow.services.runs import records
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store
from tests.support.notebooks import HOSTILE, notebook, printed, run_task
from tests.support.spark import until

KEY = RunKey(f"dag {HOSTILE}", "manual__2026-01-01T00:00:00+00:00", "task")

Lines = list[tuple[str, str]]


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_what_cells_write_is_in_the_runs_own_folder_and_the_repository_stays_as_it_was(
    store: Store, jupyter: str, folder: Path
) -> None:
    top = folder.parent
    (top / "data").mkdir()
    (top / "data" / "in.csv").write_text("7")
    (folder / "helper.py").write_text("def twice(x): return 2 * x")
    (folder / "data.csv").write_text("4")
    notebook(
        folder / f"{HOSTILE}.ipynb",
        "from pathlib import Path\nimport helper",
        "print(helper.twice(int(open('data.csv').read())), open('../data/in.csv').read())",
        "Path('plots').mkdir()\nPath('plots/a ü.png').write_bytes(b'png')",
        "open('data.csv', 'w').write('changed')",
        "open('../data/in.csv', 'w').write('9')",
    )
    before = tree(top)

    output = run_task(
        folder, [], KEY, top, input_nb=HOSTILE, output_nb="day/x", export_html=True, hide_code=True
    )

    assert tree(top) == before
    assert printed(output) == "8 7\n"
    own = outputs.folder(store, KEY)
    assert {each.name: each.size for each in outputs.listing(store, KEY).outputs} == {
        "output.ipynb": Path(output).stat().st_size,
        "output-no-code.html": Path(output).with_suffix(".html").stat().st_size,
        "files/_elsewhere/data/in.csv": 1,
        "files/data.csv": 7,
        "files/plots/a ü.png": 3,
    }
    assert "helper.twice" not in (own / outputs.HTML_WITHOUT_CODE).read_text()
    assert (own / outputs.NOTEBOOK).read_bytes() == Path(output).read_bytes()
    assert sorted(path.name for path in own.iterdir()) == [
        "about.json",
        "files",
        "named.json",
        "output-no-code.html",
        "output.ipynb",
    ]


@pytest.mark.slow
def test_the_record_says_what_was_run_where_and_how_long(
    store: Store, jupyter: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("geheim-123")
    source = notebook(
        folder / "n.ipynb",
        "# parameters\nn = 1",
        "\n  \nlabel = 'geheim-123'",
        "import time\ntime.sleep(0.01)\nopen('out.txt', 'w').write('12345')",
        "1 / 0",
        "'never'",
    )
    given: dict[str, Any] = {"n": 3, "text": "x" * 9_000, "api_password": "hunter2", "day": [None, HOSTILE]}

    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        run_task(folder, [], KEY, folder.parent, input_nb="n", parameters=given)

    run = records.read(store, KEY)
    use = run.notebook
    assert use is not None
    assert (use.path, use.in_repository, run.dag_version) == ("dags/n.ipynb", True, "a" * 40)
    assert use.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (
        use.parameters["n"] == "3"
        and use.parameters["day"] == f"[null, {json.dumps(HOSTILE, ensure_ascii=False)}]"
    )
    assert use.parameters["text"].endswith("… (9,002 characters)") and len(use.parameters["text"]) < 2_100
    assert use.parameters["api_password"] == '"***"'
    assert use.python == jupyter or Path(use.python).samefile(jupyter)
    assert use.python_version.startswith("3.") and use.packages["ipykernel"][0].isdigit()
    assert len(use.packages) <= 400
    assert [(cell.number, cell.first_line, cell.state) for cell in use.cells] == [
        (1, "# parameters", "success"),
        (2, "# Parameters", "success"),
        (3, "label = '***'", "success"),
        (4, "import time", "success"),
        (5, "1 / 0", "failed"),
    ]
    assert (use.of, use.failed_cell) == (6, 5)
    assert all(cell.seconds is not None and cell.seconds >= 0 for cell in use.cells)
    assert use.output == str(store.outputs / "notebooks" / "n.ipynb")
    assert [(each.name, each.size) for each in use.files][1:] == [("files/out.txt", 5)]
    assert "hunter2" not in (store.runs / f"{records.place(KEY)}.json").read_text()
    assert run.application_arguments[0] == "n=3" and run.application_arguments[2] == "api_password=***"
    assert progress.read(store, KEY) is None


@pytest.mark.slow
def test_a_mistake_before_the_run_is_recorded_without_a_notebook(
    store: Store, jupyter: str, folder: Path
) -> None:
    notebook(folder / "n.ipynb", "1")

    with pytest.raises(NotebookError, match="no kernel 'gone'"):
        run_task(folder, [], KEY, folder.parent, input_nb="n", kernel="gone")

    run = records.read(store, KEY)
    assert (run.state, run.notebook and run.notebook.kernel, run.notebook and run.notebook.cells) == (
        "failed",
        "gone",
        (),
    )


#: Runs a notebook as a task, until its end.
TASK = """
import sys
from pathlib import Path
from couture_workflow.services.runs.records import RunKey
from tests.support.notebooks import run_task
key = RunKey(*sys.argv[2:5])
run_task(Path(sys.argv[1]), [], key, None, input_nb="n", keep_outputs=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["go on", "kill"])
def test_while_it_runs_the_progress_can_be_read_and_nobody_sweeps_it(
    store: Store, jupyter: str, folder: Path, end: str
) -> None:
    flag = folder / "go"
    notebook(
        folder / "n.ipynb",
        "print('before')",
        "import os, time\nopen('partial.csv', 'w').write('1')\nfor n in range(40): print('line', n)\n"
        f"while not os.path.exists({str(flag)!r}): time.sleep(0.05)",
        "print('after')",
    )
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", TASK, str(folder), KEY.dag_id, KEY.run_id, KEY.task_id]
    task = subprocess.Popen(words, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def shown() -> bool:
        now = progress.read(store, KEY)
        return now is not None and now.number == 2 and bool(now.lines) and now.lines[-1] == "line 39"

    until(shown, what="the progress of the second cell")
    now = progress.read(store, KEY)
    assert now is not None
    assert (now.of, [cell.state for cell in now.cells]) == (3, ["success", "running"])
    assert now.source.startswith("import os, time\n") and len(now.lines) == progress.LINES
    assert now.cell_started_at is not None and now.cell_started_at <= now.updated_at
    running = records.read(store, KEY)
    assert running.state == "running" and running.notebook and running.notebook.python_version
    newer = replace(KEY, run_id="newer")
    outputs.begin(store, newer, outputs.Keep(1))
    assert outputs.sweep(store) == 0

    if end == "go on":
        flag.touch()
        assert task.wait(60) == 0
        assert progress.read(store, KEY) is None
        assert records.read(store, KEY).state == "success"
    else:
        task.send_signal(signal.SIGKILL)
        task.wait(60)
        said = outputs.folder(store, KEY) / outputs.PROGRESS
        os.utime(said, (0, 0))
        outputs.begin(store, newer, outputs.Keep(2))
        outputs.sweep(store)
        assert [each.name for each in outputs.listing(store, KEY).outputs] == ["files/partial.csv"]


@pytest.mark.slow
def test_a_killed_try_keeps_what_its_cells_wrote(store: Store, jupyter: str, folder: Path) -> None:
    notebook(folder / "n.ipynb", "open('partial.csv', 'w').write('1')", "import time\ntime.sleep(600)")
    lines: Lines = []
    tasks: list[CoutureJupyterOperator] = []
    started = CoutureJupyterOperator._execute

    def remembered(self: CoutureJupyterOperator, *arguments: Any) -> str:
        tasks.append(self)
        return started(self, *arguments)

    class Killing(list[tuple[str, str]]):
        def append(self, line: tuple[str, str]) -> None:
            super().append(line)
            if line == ("cell", "Cell 2 of 2: import time"):
                tasks[0].on_kill()

    lines = Killing()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(NotebookError, match="was killed"):
        patch.setattr(CoutureJupyterOperator, "_execute", remembered)
        run_task(folder, lines, KEY, folder.parent, input_nb="n")

    run = records.read(store, KEY)
    assert run.state == "killed" and run.notebook is not None
    assert [cell.state for cell in run.notebook.cells] == ["success", "failed"]
    assert "files/partial.csv" in [each.name for each in outputs.listing(store, KEY).outputs]
    assert not (store.outputs / "notebooks" / "n.ipynb").exists()


@pytest.mark.slow
def test_a_run_sweeps_what_its_task_need_not_keep(store: Store, jupyter: str, folder: Path) -> None:
    notebook(folder / "n.ipynb", "1")
    keys = [replace(KEY, run_id=f"run {number}") for number in range(3)]

    for key in keys:
        run_task(folder, [], key, None, input_nb="n", output_nb=f"{key.run_id}.ipynb", keep_outputs=2)

    assert [outputs.folder(store, key).exists() for key in keys] == [False, True, True]
    named = store.outputs / "notebooks"
    assert sorted(path.name for path in named.iterdir()) == ["run 1.ipynb", "run 2.ipynb"]


@pytest.mark.slow
def test_what_output_nb_named_stays_where_the_task_does_not_say_what_it_keeps(
    store: Store, jupyter: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs.Keep.__init__, "__defaults__", (1, 0, False))
    notebook(folder / "n.ipynb", "1")
    keys = [replace(KEY, run_id=f"run {number}") for number in range(2)]

    for key in keys:
        run_task(folder, [], key, None, input_nb="n", output_nb=f"{key.run_id}.ipynb")

    assert [outputs.folder(store, key).exists() for key in keys] == [False, True]
    assert len(list((store.outputs / "notebooks").iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hide_code": "no"}, "hide_code is 'no': give True, False or 'both'"),
        ({"cell_timeout": 0}, "cell_timeout is 0: give seconds above 0, or None"),
        ({"cell_timeout": "1"}, "cell_timeout is '1'"),
        ({"keep_outputs": -1}, "keep_outputs is -1: give 0 for all"),
        ({"keep_outputs": 1.5}, "keep_outputs is 1.5"),
        ({"keep_days": "x"}, "keep_days is 'x': give a number of days"),
        ({"keep_days": -1}, "keep_days is -1"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_told_when_the_file_is_read(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidError, match=says):
        CoutureJupyterOperator(task_id="task", input_nb="n", **options)


def test_a_kernel_and_a_python_are_too_much(store: Store, jupyter: str, folder: Path) -> None:
    notebook(folder / "n.ipynb", "1")

    with pytest.raises(InvalidError, match="Give the kernel 'python3' or the Python '/x', not both"):
        run_task(folder, [], KEY, None, input_nb="n", kernel="python3", python="/x")


def test_a_record_of_an_earlier_version_has_no_notebook(store: Store) -> None:
    from datetime import UTC, datetime

    records.write(store, records.Run(key=KEY, state="success", kind="notebook", started_at=datetime.now(UTC)))
    path = store.runs / f"{records.place(KEY)}.json"
    said = json.loads(path.read_text())
    del said["notebook"]
    path.write_text(json.dumps(said))

    assert records.read(store, KEY).notebook is None
