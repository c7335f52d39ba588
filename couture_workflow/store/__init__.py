"""What lies on disk under ``COUTURE_HOME``. Plain Python: no Airflow ORM, Flask, FastAPI or SQLAlchemy."""
