"""Inside the sandbox: what a DAG file does each time that it is loaded, and should not.

What is noted has happened: a function that nobody calls while the file is loaded, a task and what stands
below ``if TYPE_CHECKING:`` are never in it, and a helper that is called at the top of the file always is.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from couture_workflow.services.gate.inside.places import Place, Places

#: Packages that take a second or a hundred megabytes, or nearly so.
HEAVY = frozenset(
    "bokeh catboost cudf cv2 dask datasets geopandas gensim jax keras lightgbm matplotlib mlflow modin nltk "
    "numba numpy pandas plotly polars prophet pyarrow pyspark ray scipy seaborn skimage sklearn spacy "
    "statsmodels sympy tensorflow torch torchvision transformers xgboost".split()
)
#: What Python tells of itself -> what the file does.
_EVENTS: Mapping[str, str] = {
    "socket.connect": "network",
    "socket.getaddrinfo": "network",
    "socket.gethostbyname": "network",
}
#: Different findings that are kept.
_MOST = 500


class Loading:
    """Notes what a DAG file does while it is loaded.

    :param tree: the folder, with a slash at its end.
    """

    def __init__(self, tree: str, places: Places) -> None:
        self._tree = tree
        self._places = places
        self._found: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._is_on = False

    def __enter__(self) -> Loading:
        self._is_on = True
        sys.addaudithook(self._audit)
        self._import = builtins.__import__
        builtins.__import__ = self._importing
        return self

    def __exit__(self, *_: object) -> None:
        self._is_on = False
        builtins.__import__ = self._import

    def asked(self, kind: str, name: str) -> None:
        """Note that a variable or connection is asked for."""
        self._note(kind, name, sys._getframe(1))

    def found(self, path: str) -> list[dict[str, Any]]:
        """Return what was noted, and the values of a file that change from load to load."""
        return [*self._found.values(), *self._changing(path)][:_MOST]

    def _importing(self, name: str, *given: Any, **named: Any) -> Any:
        module = self._import(name, *given, **named)
        package = name.partition(".")[0]
        if package in HEAVY and not (given[3:4] or (named.get("level"),))[0]:
            frame = sys._getframe(1)
            if frame.f_code.co_filename.startswith(self._tree):
                self._note("import", package, frame)
        return module

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if event in _EVENTS and self._is_on:
            address = given[1] if event == "socket.connect" and len(given) > 1 else ""
            if event != "socket.connect" or isinstance(address, tuple):  # else it is a socket in a folder
                self._note(_EVENTS[event], "", sys._getframe(1))

    def _note(self, code: str, name: str, frame: FrameType | None) -> None:
        if not self._is_on or len(self._found) >= _MOST:
            return
        inside = [each for each in _stack(frame) if each.f_code.co_filename.startswith(self._tree)]
        if not inside:
            return
        key = (code, name, *((each.f_code.co_filename, each.f_lineno) for each in (inside[0], inside[-1])))
        if key not in self._found:
            (path, place), by = self._place(inside[0]), self._place(inside[-1])
            self._found[key] = _row(code, name, path, place) | {"by": by}

    def _place(self, frame: FrameType) -> tuple[str, Place]:
        path = frame.f_code.co_filename.removeprefix(self._tree)
        place = self._places.failed(path, self._places.running(frame), "")
        return path, place or (frame.f_lineno, 0, 0, 0)

    def _changing(self, path: str) -> list[dict[str, Any]]:
        module = self._places.module(path)
        try:
            return list(itertools.islice(self._changes(path, module), _MOST)) if module is not None else []
        except RecursionError:
            return []

    def _changes(self, path: str, module: ast.Module) -> Iterator[dict[str, Any]]:
        """Iterate over arguments of DAGs and tasks that Airflow's DAG processor says to change."""
        from airflow.utils.dag_version_inflation_checker import AirflowRuntimeVaryingValueChecker

        checker = AirflowRuntimeVaryingValueChecker()
        checker.visit(module)
        told = {(each.line, each.col) for each in checker.static_check_result.warnings.values()}
        if not told:
            return
        source_of = checker.value_analyzer.get_varying_source
        made = {name: line for name, (line, _) in checker.varying_vars.items()}
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and (node.lineno, node.col_offset) in told:
                for argument in [*node.args, *(each.value for each in node.keywords)]:
                    if source := source_of(argument):
                        names = [each.id for each in ast.walk(argument) if isinstance(each, ast.Name)]
                        lines = [made[name] for name in names if name in made]
                        row = _row("changing", source[:200], path, self._places.of(path, argument))
                        yield row | {"origin": lines[0] if lines else 0}


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _row(code: str, name: str, path: str, place: Place | None) -> dict[str, Any]:
    place = place or (0, 0, 0, 0)
    return {"code": code, "name": name, "path": path, "place": place, "by": (path, place), "origin": 0}
