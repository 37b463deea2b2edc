#!/usr/bin/env bash
# Creates a connect session for the user "ada", and prints the link for her browser.
# GATEWAY=… APPLICATION_KEY=… examples/connect.sh
set -euo pipefail

curl -fsS -X POST "$GATEWAY/connect-sessions" -H "Authorization: Bearer $APPLICATION_KEY" -H 'Content-Type: application/json' -d '{
  "integration": "azure-devops",
  "user": "ada",
  "return_to": "https://app.mycompany.example/connected"
}' | jq -r .connect_url
