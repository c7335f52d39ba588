"""Log-in by a directory within Airflow: what Flask-AppBuilder is told, which accounts and roles there are."""

#: Where our settings are in the configuration of Flask.
SETTINGS = "LDAP_SETTINGS"
