"""What ran: the record of each try of a task, lists of these, and the runs that a task started."""

__all__ = ["children", "listing", "notebook_use", "recording", "records"]
