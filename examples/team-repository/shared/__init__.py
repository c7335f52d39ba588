"""What several DAGs of the team share."""
