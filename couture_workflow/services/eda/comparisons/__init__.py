"""Two outputs side by side: how far they drifted apart, as people see it and as a guard judges it."""
