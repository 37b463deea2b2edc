#!/usr/bin/env bash
# Lists the projects of an organization through the proxy.
# GATEWAY=… APPLICATION_KEY=… CONNECTION_ID=… examples/projects.sh
set -euo pipefail

curl -fsS "$GATEWAY/proxy/$CONNECTION_ID/dev.azure.com/mycompany/_apis/projects?api-version=7.1" -H "Authorization: Bearer $APPLICATION_KEY" | jq
