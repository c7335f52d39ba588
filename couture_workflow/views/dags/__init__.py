"""The pages *Manage DAGs* and *DAG History*."""
