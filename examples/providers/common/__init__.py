"""What all DAGs of the providers use."""
