"""The pages *Spark Dependencies* and *Code Artifacts*."""
