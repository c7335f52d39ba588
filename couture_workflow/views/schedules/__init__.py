"""The pages of notebook schedules."""
