"""Which versions of models are served: what is configured, loaded, and in use."""
