"""Trained models: their versions, checks and labels, what the model server serves, and models in jobs."""

__all__ = [
    "arrival",
    "document",
    "jobs",
    "labels",
    "library",
    "on_demand",
    "readiness",
    "registering",
    "server",
    "serving",
    "states",
    "uses",
    "work",
]
