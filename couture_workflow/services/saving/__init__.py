"""How a change of DAG files goes live: told before, checked by the gate, written as one commit."""

__all__ = ["coming", "plans", "save"]
