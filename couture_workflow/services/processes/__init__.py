"""Processes of this machine: ended as a whole tree, led by a reaper, or kept behind walls."""

__all__ = ["apart", "led_command", "private_folders", "reaper", "tree", "walls"]
