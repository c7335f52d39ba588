"""The pages *Jupyter Notebook* and *Jupyter Servers*."""
