"""The parts of fg-data-profiling that a report is put together from.

The library's front imports everything that it can do (matplotlib, seaborn, statsmodels, numba, Spark, ...:
four seconds and 320 MiB). What is needed are its settings, its widgets and its HTML templates. So its
packages are made here without running their ``__init__``, and only these parts are loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

_NAME = "data_profiling"
_PACKAGES = ("", ".model", ".report", ".utils")


@cache
def widgets() -> Any:
    """Return the module of the library's widgets (``Container``, ``Table``, ``FrequencyTable``, ...)."""
    _make_packages()
    return importlib.import_module(f"{_NAME}.report.presentation.core")


@cache
def settings() -> Any:
    """Return the library's default settings."""
    _make_packages()
    return importlib.import_module(f"{_NAME}.config").Settings()


@cache
def alert_styles() -> dict[str, str]:
    """Return the colours of the library's alerts."""
    _make_packages()
    found: dict[str, str] = importlib.import_module(f"{_NAME}.utils.styles").get_alert_styles()
    return found


def formatted(number: float) -> str:
    """Return a number as the library writes it, as HTML."""
    _make_packages()
    text: str = importlib.import_module(f"{_NAME}.report.formatters").fmt_numeric(number, precision=8)
    return text


def rendered(root: Any, *, title: str, date: str) -> str:
    """Return a report as one page of HTML that needs nothing from elsewhere.

    :param title: a fixed text: the library writes it into the page as it is.
    """
    flavours = importlib.import_module(f"{_NAME}.report.presentation.flavours.flavours")
    html = settings().html
    text: str = flavours.HTMLReport(root).render(
        nav=True,
        offline=True,
        inline=True,
        assets_prefix=None,
        primary_color=html.style.primary_colors[0],
        primary_colors=html.style.primary_colors,
        logo="",
        theme=None,
        title=title,
        date=date,
        version=importlib.import_module(f"{_NAME}.version").__version__,
    )
    return text


@cache
def _make_packages() -> None:
    os.environ["YDATA_PROFILING_NO_ANALYTICS"] = "1"
    spec = importlib.util.find_spec(_NAME)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("fg-data-profiling is not installed", name=_NAME)
    root = Path(spec.origin).parent
    for suffix in _PACKAGES:
        folder = root.joinpath(*suffix.split(".")[1:])
        package = ModuleSpec(_NAME + suffix, None, origin=str(folder / "__init__.py"), is_package=True)
        package.submodule_search_locations = [str(folder)]
        sys.modules[_NAME + suffix] = importlib.util.module_from_spec(package)
