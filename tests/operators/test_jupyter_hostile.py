"""Notebooks that others wrote, run in a real kernel: old formats, broken parts, rules of parameters."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import NotebookError
from couture_workflow.store.home import Store
from tests.support.notebooks import HOSTILE, execute, notebook, printed

pytestmark = pytest.mark.slow

Lines = list[tuple[str, str]]


def cell(source: str | list[str], *tags: str, **more: Any) -> dict[str, Any]:
    """Return a code cell as Jupyter writes it, but without an id."""
    made = {"cell_type": "code", "execution_count": 3, "metadata": {"tags": list(tags)} if tags else {}}
    return {**made, "outputs": [], "source": source, **more}


def written(folder: Path, *cells: dict[str, Any], minor: int = 4, **metadata: Any) -> str:
    """Write a notebook of these cells, and return its name."""
    content = {"nbformat": 4, "nbformat_minor": minor, "metadata": metadata, "cells": list(cells)}
    (folder / "n.ipynb").write_text(json.dumps(content))
    return "n"


def kept(path: str) -> list[dict[str, Any]]:
    """Return the cells of an output."""
    cells: list[dict[str, Any]] = json.loads(Path(path).read_text(), parse_constant=pytest.fail)["cells"]
    return cells


OF_VERSION_3 = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": "old"},
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Old"]},
                {
                    "cell_type": "code",
                    "collapsed": False,
                    "input": ["x = 6\n", "print('product', x * 7)"],
                    "language": "python",
                    "metadata": {},
                    "outputs": [{"output_type": "pyout", "prompt_number": 1, "text": ["6"], "metadata": {}}],
                    "prompt_number": 1,
                },
            ],
        }
    ],
}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(OF_VERSION_3), id="format-3"),
        *(
            pytest.param(
                json.dumps(
                    {
                        "nbformat": 4,
                        "nbformat_minor": minor,
                        "metadata": {},
                        "cells": [
                            {"cell_type": "markdown", "metadata": {}, "source": ["# Title"]},
                            cell(["print('product',\n", "      6 * 7)"]),
                        ],
                    }
                ),
                id=f"format-4.{minor}-without-ids",
            )
            for minor in (0, 2, 4, 5)
        ),
        pytest.param(
            "\ufeff"
            + json.dumps(
                {
                    "nbformat": 4,
                    "nbformat_minor": 5,
                    "metadata": {"kernelspec": {"name": "gone", "display_name": "Gone"}},
                    "cells": [
                        cell("x = 6\r\nif x:\r\n    print('product', x * 7)\r\n", id="same"),
                        cell("", id="same"),
                    ],
                },
                indent=1,
            ).replace("\n", "\r\n"),
            id="windows-with-bom-ids-twice-and-a-kernel-that-is-gone",
        ),
        pytest.param(
            json.dumps(
                {
                    "nbformat": 4,
                    "nbformat_minor": 5,
                    "metadata": {
                        "widgets": {"application/vnd.jupyter.widget-state+json": {"a1": {"model_name": "X"}}},
                        "colab": {"provenance": []},
                        "language_info": {"name": "Python"},
                    },
                    "cells": [
                        cell("print('product', 6 * 7)", id="a b/c", unknown=1),
                        {"cell_type": "raw", "metadata": {}, "source": "raw", "id": "r"},
                    ],
                }
            ),
            id="widgets-of-colab-a-bad-id-and-unknown-fields",
        ),
    ],
)
def test_a_notebook_of_any_writer_runs(store: Store, jupyter: str, folder: Path, content: str) -> None:
    (folder / "n.ipynb").write_text(content, newline="")
    lines: Lines = []

    output = execute(folder, lines, input_nb="n", export_html=True, hide_code="both")

    assert printed(output) == "product 42\n"
    page = Path(output).with_suffix(".html").read_text()
    without_code = Path(output).with_name("n-no-code.html").read_text()
    assert "product 42" in page and "product 42" in without_code
    assert "print" in page and 'class="highlight hl-ipython3"' not in without_code
    assert not [line for kind, line in lines if kind == "log"]


@pytest.mark.parametrize("parameters", [None, {"n": 3}])
def test_an_empty_notebook_runs(
    store: Store, jupyter: str, folder: Path, parameters: dict[str, Any] | None
) -> None:
    output = execute(folder, [], input_nb=written(folder), parameters=parameters, export_html=True)

    assert [each["source"] for each in kept(output)] == (
        [["# Parameters\n", "n = 3\n"]] if parameters else []
    )
    assert Path(output).with_suffix(".html").is_file()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "cannot be run: NotJSONError", id="empty-file"),
        pytest.param("[]", "cannot be run: ", id="list"),
        pytest.param(
            '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "cannot be run: ", id="no-cells"
        ),
        pytest.param('{"nbformat": 99, "cells": []}', "cannot be run: ", id="of-the-future"),
        pytest.param("[" * 100_000, "cannot be run: its lists are in each other too deeply", id="deep"),
        pytest.param(
            '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
            "cannot be run: ",
            id="cells",
        ),
    ],
)
def test_what_cannot_be_read_is_told(
    store: Store, jupyter: str, folder: Path, content: str, says: str
) -> None:
    (folder / "n.ipynb").write_text(content)

    with pytest.raises(NotebookError, match=says) as raised:
        execute(folder, [], input_nb="n")

    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        pytest.param([("print(n)", ())], ["# Parameters", "print(n)"], id="none-tagged-goes-to-the-top"),
        pytest.param(
            [("'first'", ()), ("n = 1", ("parameters",)), ("print(n)", ())],
            ["'first'", "n = 1", "# Parameters", "print(n)"],
            id="right-after-the-tagged-one",
        ),
        pytest.param(
            [("n = 1", ("parameters",)), ("print(n)", ()), ("n = 2", ("parameters",))],
            ["n = 1", "# Parameters", "print(n)", "n = 2"],
            id="only-the-first-tagged-one-counts",
        ),
        pytest.param(
            [
                ("n = 1", ("other", "parameters")),
                ("# Parameters\nn = 5", ("injected-parameters",)),
                ("print(n)", ()),
            ],
            ["n = 1", "# Parameters", "print(n)"],
            id="that-of-an-earlier-run-is-replaced",
        ),
        pytest.param(
            [("n = 1", ("parameters",)), ("print(n)", ()), ("n = 5", ("injected-parameters",))],
            ["n = 1", "print(n)", "# Parameters"],
            id="and-stays-where-it-was",
        ),
    ],
)
def test_the_rules_of_the_cell_of_parameters(
    store: Store, jupyter: str, folder: Path, cells: list[tuple[str, tuple[str, ...]]], order: list[str]
) -> None:
    made = [cell(source, *tags) for source, tags in cells]

    output = execute(folder, [], input_nb=written(folder, *made), parameters={"n": 21})

    found = kept(output)
    assert [each["source"][0].strip() for each in found] == order
    injected = found[order.index("# Parameters")]
    assert injected["metadata"]["tags"] == ["injected-parameters"]
    assert injected["source"] == ["# Parameters\n", "n = 21\n"]
    assert printed(output) == (
        "1\n" if order.index("# Parameters") == 2 and order[1] == "print(n)" else "21\n"
    )


def test_an_output_is_run_again_with_other_parameters(store: Store, jupyter: str, folder: Path) -> None:
    notebook(folder / "n.ipynb", "# parameters\nn = 1", "print(n)")
    first = execute(folder, [], input_nb="n", parameters={"n": 2})
    (folder / "again.ipynb").write_bytes(Path(first).read_bytes())

    output = execute(folder, [], input_nb="again", parameters={"n": 3})

    assert printed(output) == "3\n"
    assert len(kept(output)) == 3


VALUES = {
    "none": None,
    "nan": float("nan"),
    "infinite": float("-inf"),
    "yes": True,
    "number": 2**70,
    "share": 1e-300,
    "day": date(2026, 1, 31),
    "moment": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "nested": {"a": [1, [None, {"b": (float("nan"), HOSTILE)}]], 'k"': [date(2026, 1, 1)]},
    "text": f"{HOSTILE}\n\t\\n {{{{ x }}}} %s \u2028 \U0001f427 \x00 '''",
    "half": "\ud83d half a character",
    "long": "ü'\"\\" * 250_000,
}
SAY = """
import hashlib, json
print(none, nan != nan, infinite, yes, number, share, day, moment)
print(ascii(nested))
print(ascii(text), ascii(half))
print(len(long), hashlib.sha256(long.encode()).hexdigest())
"""


def test_parameters_of_all_kinds_arrive(store: Store, jupyter: str, folder: Path) -> None:
    import hashlib

    lines: Lines = []

    output = execute(folder, lines, input_nb=written(folder, cell(SAY)), parameters=VALUES, export_html=True)

    first, nested, text, long = printed(output).splitlines()
    assert first == f"None True -inf True {2**70} 1e-300 2026-01-31 2026-01-31T12:00:00+00:00"
    assert nested == ascii({"a": [1, [None, {"b": [float("nan"), HOSTILE]}]], 'k"': ["2026-01-01"]})
    assert text == f"{ascii(VALUES['text'])} {ascii(VALUES['half'])}"
    digest = hashlib.sha256(str(VALUES["long"]).encode()).hexdigest()
    assert long == f"1000000 {digest}"
    assert max(len(line) for _, line in lines) < 5_000
    assert Path(output).with_suffix(".html").stat().st_size < 2_000_000
    said = json.loads(Path(output).read_text(), parse_constant=pytest.fail)["metadata"]["papermill"]
    assert (said["parameters"]["nan"], said["parameters"]["infinite"]) == ("nan", "-inf")


@pytest.mark.parametrize("asks", ["name = input('Who? ')", "import getpass\ngetpass.getpass()"])
def test_a_cell_that_asks_for_input_fails_with_the_way_out(
    store: Store, jupyter: str, folder: Path, asks: str
) -> None:
    with pytest.raises(NotebookError) as raised:
        execute(folder, [], input_nb=written(folder, cell("1"), cell(asks)))

    said = str(raised.value).splitlines()
    assert said[0].startswith("The notebook 'n.ipynb' failed in cell 2 of 2.")
    assert said[-2].startswith("Nobody is there to answer input() or getpass() of a cell: make what it asks")
    assert said[-1].startswith("StdinNotImplementedError: ")


def test_a_cell_that_takes_too_long_is_ended(store: Store, jupyter: str, folder: Path) -> None:
    name = written(folder, cell("print('quick')"), cell("import time\nprint('begun')\ntime.sleep(600)"))
    lines: Lines = []

    with pytest.raises(NotebookError) as raised:
        execute(folder, lines, input_nb=name, cell_timeout=2, export_html=True)

    said = str(raised.value).splitlines()
    assert said[0].startswith("The notebook 'n.ipynb' failed in cell 2 of 2.")
    assert said[-1].startswith("The cell took longer than cell_timeout, 2 seconds.")
    output = store.outputs / "notebooks" / "n.ipynb"
    assert printed(str(output)) == "quick\nbegun\n"
    assert output.with_suffix(".html").is_file()


def test_a_notebook_with_fifty_megabytes_of_old_output_runs(store: Store, jupyter: str, folder: Path) -> None:
    old = {"output_type": "stream", "name": "stdout", "text": ["o" * 100 + "\n"] * 500_000}
    image = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "A" * 1_000_000}}
    name = written(folder, cell("print('\ud800 new')", outputs=[old, image]))

    output = execute(folder, [], input_nb=name)

    assert printed(output) == "? new\n"
    assert Path(output).stat().st_size < 10_000


def test_the_kernel_of_the_runtime_goes_by_its_names(store: Store, jupyter: str, folder: Path) -> None:
    for kernel_name in ("python3", "Python"):
        output = execute(folder, [], input_nb=written(folder, cell("print(6 * 7)")), kernel=kernel_name)

        assert printed(output) == "42\n"


def test_what_terminals_are_told_is_not_in_the_log(store: Store, jupyter: str, folder: Path) -> None:
    name = written(
        folder,
        cell(r"print('\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b[2K\x1b[3A\x1b(B plain')"),
        cell("def f(): raise KeyError('\\x1b[32mgreen')\nf()"),
    )
    lines: Lines = []

    with pytest.raises(NotebookError, match="KeyError: .*green") as raised:
        execute(folder, lines, input_nb=name)

    told = "\n".join([*(line for _, line in lines), str(raised.value)])
    assert ("output", "red  plain") in lines
    assert "f()" in told and "\x1b" not in told and "[0m" not in str(raised.value)


def test_a_million_lines_and_fifty_megabytes_are_cut(store: Store, jupyter: str, folder: Path) -> None:
    name = written(
        folder,
        cell("for number in range(1_000_000): print(number)"),
        cell("print('m' * 50_000_000)"),
        cell("print('after all')"),
    )
    lines: Lines = []

    output = execute(folder, lines, input_nb=name)

    told = [line for _, line in lines]
    assert "0" in told and "999999" in told and told[-1] == "after all"
    assert Path(output).stat().st_size < 3_000_000


def kernel(path: Path, name: str, python: str, **said: Any) -> None:
    """Install a kernel below a folder of ``JUPYTER_PATH``."""
    folder = path / "kernels" / name
    folder.mkdir(parents=True)
    words = [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": words, "display_name": name, **said}))


def test_a_kernel_that_jupyter_finds_is_used_by_its_name(
    store: Store, jupyter: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(tmp_path / "path", "other", jupyter, language="python", env={"WHICH": "the other"})
    (tmp_path / "path" / "kernels" / "broken").mkdir()
    (tmp_path / "path" / "kernels" / "broken" / "kernel.json").write_text("{")
    monkeypatch.setenv("JUPYTER_PATH", f"/none:{tmp_path / 'path'}")
    name = written(folder, cell("import os\nprint(n, os.environ['WHICH'])\nprint('m' * 600_000)"))
    lines: Lines = []

    output = execute(folder, lines, input_nb=name, kernel="other", parameters={"n": 3})

    assert printed(output).startswith("3 the other\n")
    assert any("characters left out here: a cell prints" in line for _, line in lines)

    with pytest.raises(NotebookError, match=r"no kernel 'gone' .* Kernels that there are: other, python3"):
        execute(folder, [], input_nb=name, kernel="gone")


def test_a_notebook_of_another_language_uses_its_kernel(
    store: Store, jupyter: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(tmp_path / "path", "ir", jupyter, language="R")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "path"))
    cells = (cell("print(type(n), x)"),)
    name = written(folder, *cells, kernelspec={"name": "ir", "display_name": "R", "language": "R"})

    output = execute(folder, [], input_nb=name, parameters={"n": 3, "x": "t"})

    assert kept(output)[0]["source"] == ["# Parameters\n", "n = 3\n", 'x = "t"\n']
    assert printed(output) == "<class 'int'> t\n"


def test_a_language_that_nobody_translates_says_so(
    store: Store, jupyter: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(tmp_path / "path", "lisp", jupyter, language="lisp")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "path"))
    name = written(
        folder, cell("print('runs')"), kernelspec={"name": "lisp", "display_name": "Lisp", "language": "lisp"}
    )

    assert printed(execute(folder, [], input_nb=name)) == "runs\n"
    with pytest.raises(NotebookError, match="cannot be run: it cannot be given parameters: .*'lisp'"):
        execute(folder, [], input_nb=name, parameters={"n": 3})

    (tmp_path / "path" / "kernels" / "lisp" / "kernel.json").unlink()
    with pytest.raises(
        NotebookError, match="it is written in lisp, and only Python can be run without a kernel"
    ):
        execute(folder, [], input_nb=name)
