"""The notebook operator: what it takes, what a task shows and leaves, and that a kill leaves no kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from couture_workflow.exceptions import InvalidError, NotebookError, NotFoundError, RuntimeMissingError
from couture_workflow.operators import CoutureJupyterOperator
from couture_workflow.services.notebooks import run as notebook_run
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store
from tests.support.notebooks import HOSTILE, execute, notebook, printed
from tests.support.spark import processes_of, until

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_the_manuals_signature_is_taken_and_templated() -> None:
    task = CoutureJupyterOperator(
        task_id="jupyter_task",
        input_nb="{{ name }}.ipynb",
        output_nb="plot {{ name }}.ipynb",
        parameters={"a": 10, "day": "{{ name }}"},
        export_html=False,
        description="Plot",
    )

    task.render_template_fields({"name": HOSTILE})  # type: ignore[typeddict-item]

    assert task.doc == "Plot"
    assert (task.input_nb, task.output_nb) == (f"{HOSTILE}.ipynb", f"plot {HOSTILE}.ipynb")
    assert task.parameters == {"a": 10, "day": HOSTILE}


@pytest.mark.slow
def test_a_notebook_runs_with_its_parameters_and_is_kept_with_its_results(
    store: Store, jupyter: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret://")
    name = f"report {HOSTILE}.ipynb"
    source = notebook(
        folder / name,
        "# parameters\na = 1\ntext = ''",
        "import os\nprint('a', a * 2, text, [name for name in os.environ if name.startswith('AIRFLOW__')])",
        "print(os.path.basename(os.getcwd()), os.environ['COUTURE_NOTEBOOK_FOLDER'])",
    )
    before = source.read_bytes()
    lines: list[tuple[str, str]] = []

    output = execute(
        folder,
        lines,
        input_nb=name,
        output_nb=f"of the day/{name}",
        parameters={"a": 21, "text": HOSTILE},
        export_html=True,
    )

    assert output == str(store.outputs / "notebooks" / "of the day" / name)
    assert f"a 42 {HOSTILE} []\nwork {folder}\n" in printed(output)
    assert source.read_bytes() == before
    assert "a 42" in Path(output).with_suffix(".html").read_text()
    assert ("cell", "Cell 3 of 4: import os") in lines
    assert ("output", f"a 42 {HOSTILE} []") in lines
    assert not list(Path(output).parent.glob(".tmp*"))


@pytest.mark.parametrize(
    "place",
    [
        "dags/n.ipynb",
        "dags/notebooks/n.ipynb",
        "notebooks/n.ipynb",
        "n.ipynb",
        "../couture home/notebooks/n.ipynb",
    ],
)
def test_a_notebook_is_found_in_the_repository_and_in_the_home(
    store: Store, folder: Path, tmp_path: Path, place: str
) -> None:
    made = notebook(tmp_path / "repository" / place, "1")
    task = CoutureJupyterOperator(task_id="task", input_nb="n")
    instance = SimpleNamespace(bundle_instance=SimpleNamespace(path=folder.parent))
    context: Any = {"dag": SimpleNamespace(fileloc=str(folder / "dag.py")), "ti": instance}

    found = notebook_run.find_input(task.input_nb, task._folders(context, store.root))

    assert found.resolve() == made.resolve()


@pytest.mark.slow
def test_the_last_line_of_a_failure_is_the_error_of_the_cell(
    store: Store, jupyter: str, folder: Path
) -> None:
    notebook(folder / "bad.ipynb", "x = 5", "# why\ny = x / 0", "print('never')")
    lines: list[tuple[str, str]] = []

    with pytest.raises(NotebookError) as raised:
        execute(folder, lines, input_nb="bad.ipynb", export_html=True)

    output = store.outputs / "notebooks" / "bad.ipynb"
    assert str(raised.value).splitlines() == [
        f"The notebook 'bad.ipynb' failed in cell 2 of 3. The cells with their results: {output}",
        "    # why",
        "    y = x / 0",
        "ZeroDivisionError: division by zero",
    ]
    assert any("y = x / 0" in line for kind, line in lines if kind == "log")
    assert "ZeroDivisionError" in output.read_text()
    assert "ZeroDivisionError" in output.with_suffix(".html").read_text()


@pytest.mark.slow
def test_output_of_any_size_is_cut_with_a_word_and_never_an_error(
    store: Store, jupyter: str, folder: Path
) -> None:
    notebook(
        folder / "loud.ipynb",
        "for number in range(180_000): print('x' * 99)\nprint('the last line')",
        "import sys\nfor number in range(20_000): print('number', number, file=sys.stderr, flush=True)",
        "print('y' * 50_000_000)",
        "import os\nfor number in range(300): sys.stdout.write(os.urandom(60_000).decode('latin-1'))",
        "import subprocess\nsubprocess.run('head -c 5000000 /dev/zero | base64 -w 70', shell=True)",
        "print('\\ud800 and more')",
        "for number in range(300): display('z' * 60_000)",
        "'q' * 20_000_000",
        "print('after all')",
    )
    lines: list[tuple[str, str]] = []

    output = execute(folder, lines, input_nb="loud.ipynb")

    told = [line for _, line in lines]
    assert told[-1] == "after all"
    assert "the last line" in told
    assert any("characters left out here: a cell prints 500,000 at most]" in line for line in told)
    assert [line for line in told if line.startswith("number ")] == [f"number {n}" for n in range(20_000)]
    assert any("[Results are left out from here on" in line for line in told)
    assert "\\ud800 and more" in told
    assert max(map(len, told)) <= 4_100
    assert not [line for line in told if line.startswith('{"event"')]
    kept = Path(output).read_text()
    assert len(kept) < 20_000_000
    assert kept.count("characters left out here") >= 3
    assert "the last line" in kept


#: Takes what two cells print in pieces, with a pause after which half a line is told.
PIECES = """
import asyncio, json, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
import notebook_runner as runner
from nbformat import v4
runner._PAUSE = float(sys.argv[2])
client = runner.Client(SimpleNamespace(nb=v4.new_notebook()))
told = []
runner.tell = lambda kind, **fields: told.append([kind, fields["text"]])

async def main():
    for name, text in [("stdout", "wait"), ("stdout", "ing\\nfor"), ("stderr", "oh\\n"), ("stdout", "it")]:
        client.log_output_message(v4.new_output("stream", name=name, text=text))
        while runner._PAUSE == 0 and client._rest:
            await asyncio.sleep(0)
    client._tell_rest()
    print(json.dumps(told))

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("pause", "told"),
    [
        pytest.param(1e6, ["waiting\n", "for", "oh\n", "it"], id="quick"),
        pytest.param(0, ["wait", "ing\n", "for", "oh\n", "it"], id="slow"),
    ],
)
def test_a_line_is_told_whole_unless_its_end_is_long_in_coming(
    jupyter: str, pause: float, told: list[str]
) -> None:
    folder = str(notebook_run._RUNNER.parent)

    made = subprocess.run(
        [jupyter, "-c", PIECES, folder, str(pause)], capture_output=True, text=True, check=True
    )

    assert [text for _, text in json.loads(made.stdout)] == told


#: Has a kernel that is dead, and five results of it that were not read yet.
LEFT = """
import asyncio, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
import notebook_runner as runner
from nbformat import v4
client = runner.Client(SimpleNamespace(nb=v4.new_notebook()))
left, read = list("abcde"), []

async def check():
    raise runner.DeadKernelError("dead")

async def poll(timeout):
    begun.set()
    await asyncio.sleep(0)
    return len(left)

async def reading():
    await begun.wait()
    while left:
        await asyncio.sleep(0)
        read.append(left.pop(0))

async def main():
    global begun
    begun = asyncio.Event()
    client._async_check_alive = check
    client.kc = SimpleNamespace(iopub_channel=SimpleNamespace(socket=SimpleNamespace(poll=poll)))
    client.task_poll_for_reply = SimpleNamespace(cancel=lambda: print(*read))
    await asyncio.gather(client._async_poll_kernel_alive(), reading())

asyncio.run(main())
"""


def test_results_of_a_dead_kernel_are_read_before_it_is_given_up(jupyter: str) -> None:
    folder = str(notebook_run._RUNNER.parent)

    made = subprocess.run([jupyter, "-c", LEFT, folder], capture_output=True, text=True, check=True)

    assert made.stdout == "a b c d e\n"


@pytest.mark.slow
def test_what_a_cell_prints_over_a_long_time_or_displays_anew_is_kept(
    store: Store, jupyter: str, folder: Path
) -> None:
    notebook(
        folder / "steady.ipynb",
        "import os\nkernel = get_ipython().kernel\n"
        "for number in range(2_500):\n"
        "    content = {'name': ['stdout', 'stderr'][number % 2], 'text': f'step {number}\\n'}\n"
        "    kernel.session.send(kernel.iopub_socket, 'stream', content, parent=kernel.get_parent())",
        "from IPython.display import display, clear_output\n"
        "shown = display(0, display_id=True)\nfor number in range(2_500): shown.update(number)",
        "for number in range(2_500):\n    clear_output(wait=True)\n    display(f'at {number}')",
        "for number in range(450): print('-', end='', flush=True)",
        "os.kill(os.getpid(), 9)",
    )
    lines: list[tuple[str, str]] = []

    with pytest.raises(NotebookError, match="The kernel died"):
        execute(folder, lines, input_nb="steady.ipynb")

    told = [line for _, line in lines]
    assert [line for line in told if line.startswith("step")] == [f"step {n}" for n in range(2_500)]
    assert not any("left out" in line for line in told)
    kept = json.loads((store.outputs / "notebooks" / "steady.ipynb").read_text())["cells"]
    assert sum(len(output["text"]) for output in kept[0]["outputs"]) == 2_500
    assert [output["data"]["text/plain"] for output in kept[1]["outputs"]] == [["2499"]]
    assert [output["data"]["text/plain"] for output in kept[2]["outputs"]] == [["'at 2499'"]]
    assert [output["text"] for output in kept[3]["outputs"]] == [["-" * 450]]


@pytest.mark.slow
def test_an_error_of_any_size_is_cut_too(store: Store, jupyter: str, folder: Path) -> None:
    notebook(folder / "long.ipynb", "raise ValueError('begin' + 'v' * 20_000_000 + 'the end')")
    lines: list[tuple[str, str]] = []

    with pytest.raises(NotebookError) as raised:
        execute(folder, lines, input_nb="long.ipynb")

    assert "ValueError: begin" in str(raised.value) and str(raised.value).endswith("the end")
    assert len(str(raised.value)) < 5_000
    assert sum(len(line) for _, line in lines) < 100_000
    assert (store.outputs / "notebooks" / "long.ipynb").stat().st_size < 200_000


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([object()], r"The parameter 'share'\[0\] is a object"),
        ({"a": {1: 2}}, r"The parameter 'share'\['a'\] has the key 1, which is not a text"),
    ],
)
def test_a_parameter_that_no_notebook_can_be_given_is_named(value: Any, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        notebook_run.checked_parameters({"good": 1.5, "share": value})


def test_the_name_of_a_part_is_made_only_for_what_is_told() -> None:
    class Key(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise AssertionError("a long key would be copied for each part below it")

    notebook_run.checked_parameters({"x": {Key("k"): [1, {Key("k"): [2, 3]}]}})
    with pytest.raises(InvalidError) as error:
        notebook_run.checked_parameters({"x": {"k" * 1_000_000: [object()]}})

    assert len(str(error.value)) < 300


def test_a_parameter_in_itself_is_named() -> None:
    round_: list[Any] = []
    round_.append(round_)

    with pytest.raises(InvalidError, match="The parameter 'x'.* is nested in itself"):
        notebook_run.checked_parameters({"x": round_})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("{", "cannot be run: NotJSONError: .*does not appear to be JSON", id="no-json"),
        pytest.param("{}", "cannot be run: ValidationError: ", id="no-notebook"),
    ],
)
def test_what_is_no_notebook_is_told(
    store: Store, jupyter: str, folder: Path, content: str, says: str
) -> None:
    (folder / "bad.ipynb").write_text(content)

    with pytest.raises(NotebookError, match=says):
        execute(folder, [], input_nb="bad.ipynb")

    assert not (store.outputs / "notebooks").exists()


def test_another_language_is_told(store: Store, jupyter: str, folder: Path) -> None:
    notebook(folder / "r.ipynb", "1", kernelspec={"name": "ir", "display_name": "R", "language": "R"})

    with pytest.raises(NotebookError, match="it is written in R, and only Python can be run"):
        execute(folder, [], input_nb="r.ipynb")


@pytest.mark.slow
def test_a_kernel_that_dies_is_told_with_its_cell(store: Store, jupyter: str, folder: Path) -> None:
    notebook(folder / "die.ipynb", "import os", "os.kill(os.getpid(), 9)")

    with pytest.raises(NotebookError) as raised:
        execute(folder, [], input_nb="die.ipynb")

    assert str(raised.value).splitlines()[:2] == [
        "The notebook 'die.ipynb' failed in cell 2.",
        "    os.kill(os.getpid(), 9)",
    ]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        pytest.param(
            {"input_nb": "no"}, NotFoundError, "There is no notebook 'no.ipynb'. Put it", id="absent"
        ),
        pytest.param({"input_nb": "../x"}, InvalidError, "input_nb is '../x': give a path without", id="up"),
        pytest.param({"input_nb": "/etc/x"}, InvalidError, "input_nb is '/etc/x'", id="absolute"),
        pytest.param({"output_nb": "../x"}, InvalidError, "output_nb is '../x'", id="output-up"),
        pytest.param({"parameters": {"a": object()}}, InvalidError, "parameter 'a' is a object", id="object"),
        pytest.param({"parameters": {"a b": 1}}, InvalidError, "'a b' is no name of Python", id="name"),
        pytest.param({"python": "/no/python"}, NotebookError, "There is no Python /no/python", id="python"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    store: Store, jupyter: str, folder: Path, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    notebook(folder / "n.ipynb", "1")

    with pytest.raises(error, match=says):
        execute(folder, [], **{"input_nb": "n", **options})


def test_a_link_out_of_the_folders_is_not_followed(store: Store, folder: Path, tmp_path: Path) -> None:
    outside = notebook(tmp_path / "outside.ipynb", "1")
    (folder / "link.ipynb").symlink_to(outside)

    with pytest.raises(NotFoundError, match="no notebook 'link.ipynb'"):
        notebook_run.find_input("link", [folder])


def test_without_the_runtime_the_line_to_type_is_told(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH", str(tmp_path / "none"))
    notebook(folder / "n.ipynb", "1")

    with pytest.raises(
        RuntimeMissingError, match="There is no Jupyter runtime in .*Type: couture-workflow install"
    ):
        execute(folder, [], input_nb="n")


#: Runs a notebook like a task does.
TASK = """
import signal, sys
from pathlib import Path
from couture_workflow.services.notebooks.run import NotebookRequest, NotebookRun
run = NotebookRun(
    NotebookRequest(source=Path(sys.argv[1]), output=Path(sys.argv[2])),
    on_line=lambda kind, line: print(kind, line, flush=True),
)
signal.signal(signal.SIGTERM, lambda *_: run.stop())
try:
    run.run()
except Exception as error:
    print(error, flush=True)
    sys.exit(1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["kill", "death-of-the-task"])
def test_a_kill_ends_the_kernel_and_what_it_started(
    store: Store, jupyter: str, folder: Path, tmp_path: Path, number: int
) -> None:
    marker = f"sleeper-{os.getpid()}-{number}"
    program = f"import subprocess, time\nsubprocess.Popen(['sleep', '601'], env={{'MARK': '{marker}'}})"
    source = notebook(folder / "n.ipynb", program, "print('sleeps', flush=True)\ntime.sleep(600)")
    output, log = tmp_path / "out.ipynb", tmp_path / "log"
    with log.open("wb") as stream:
        task = subprocess.Popen(
            [sys.executable, "-c", TASK, str(source), str(output)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MARK": marker},
        )
    until(lambda: "sleeps" in log.read_text(), what="the notebook")
    assert len(processes_of(marker)) >= 4  # the task, the reaper, the runner, the kernel, the sleeper

    task.send_signal(number)

    task.wait(60)
    until(lambda: not processes_of(marker), what="the end of all processes")
    if number == signal.SIGTERM:
        assert "The notebook 'n.ipynb' was killed. Nothing of it is left running." in log.read_text()
        assert not output.exists()


@pytest.mark.slow
def test_the_example_reports_on_an_island(store: Store, jupyter: str) -> None:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(EXAMPLES / "dags" / "penguin_notebook.py")
    task: Any = bag.dags["penguin_notebook"].task_dict["report"]
    task.render_template_fields({"params": {"island": "Biscoe"}})
    task._show = lambda kind, line: None

    output = task.execute(
        {"dag": SimpleNamespace(fileloc=str(EXAMPLES / "dags" / "x.py")), "ti": SimpleNamespace()}
    )

    assert output == str(store.outputs / "notebooks" / "penguins" / "Biscoe.ipynb")
    assert "167 penguins of Biscoe were weighed." in printed(output)
    assert "'Gentoo penguin': 5076" in Path(output).read_text()
    assert "Penguins of an island" in Path(output).with_suffix(".html").read_text()


def test_a_try_is_recorded_with_how_it_ended(store: Store, folder: Path) -> None:
    task = CoutureJupyterOperator(task_id="task", input_nb="gone", parameters={"day": HOSTILE}, owner="mary")
    instance = SimpleNamespace(
        dag_id="d", run_id="r", task_id="task", map_index=None, try_number=2, dag_version_id="v"
    )
    context: Any = {
        "dag": SimpleNamespace(fileloc=str(folder / "dag.py")),
        "dag_run": SimpleNamespace(triggering_user_name="ann"),
        "ti": instance,
    }

    with pytest.raises(NotFoundError):
        task.execute(context)

    run = run_records.read(store, RunKey("d", "r", "task", -1, 2))
    assert (run.state, run.kind, run.app_name, run.dag_version) == ("failed", "notebook", "gone", "v")
    assert (run.triggered_by, run.owner, run.application_arguments) == ("ann", "mary", (f"day={HOSTILE}",))
    assert "There is no notebook 'gone.ipynb'" in str(run.error)
