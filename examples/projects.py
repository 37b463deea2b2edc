# Lists projects with Microsoft's client for Python.
# python3 -m venv ~/.ado-clients && ~/.ado-clients/bin/pip install azure-devops==7.1.0b4
# GATEWAY=… APPLICATION_KEY=… CONNECTION_ID=… ~/.ado-clients/bin/python examples/projects.py

import os

from azure.devops.connection import Connection
from msrest.authentication import BasicAuthentication

url = f"{os.environ['GATEWAY']}/proxy/{os.environ['CONNECTION_ID']}/dev.azure.com/mycompany"
connection = Connection(url, BasicAuthentication("", os.environ["APPLICATION_KEY"]))
for project in connection.clients.get_core_client().get_projects():
    print(project.name)
