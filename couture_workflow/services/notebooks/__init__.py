"""Notebooks: run with parameters in the runtime ``jupyter``, results kept."""

__all__ = [
    "differences",
    "document",
    "folders",
    "kernels",
    "outputs",
    "parameters",
    "people",
    "progress",
    "run",
]
