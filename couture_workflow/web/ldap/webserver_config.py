"""What Flask-AppBuilder reads when an API server starts, in place of Airflow's ``webserver_config.py``.

It has no setting of its own: what an administrator saved is looked up, the password stays in ``secrets/``.
"""

from couture_workflow.web.ldap.applying import flask_settings

globals().update(flask_settings())
