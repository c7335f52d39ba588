"""What ran: the record of each try of a task, and the runs of other DAGs that a task started."""

__all__ = ["children", "records"]
