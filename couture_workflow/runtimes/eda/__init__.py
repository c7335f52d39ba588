"""Exploratory data analysis in the Jupyter runtime, as a child process that is told what to look at."""
