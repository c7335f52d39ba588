"""Notebooks: run with parameters in the runtime ``jupyter``, results kept."""

__all__ = [
    "comparison",
    "differences",
    "document",
    "examples",
    "folders",
    "kernels",
    "opening",
    "outputs",
    "parameters",
    "people",
    "progress",
    "run",
]
