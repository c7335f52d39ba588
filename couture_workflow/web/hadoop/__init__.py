"""Changes of Hadoop groups as an account makes them: who uses a group, and what the audit log says."""
