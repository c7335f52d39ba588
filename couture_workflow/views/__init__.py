"""Pages: one page = one module = one template."""
