#!/usr/bin/env bash
# Creates an API key for an application.
# GATEWAY=… OPERATOR_KEY=… examples/key.sh
set -euo pipefail

curl -fsS -X POST "$GATEWAY/api-keys" -H "Authorization: Bearer $OPERATOR_KEY" -H 'Content-Type: application/json' \
  -d '{"name": "my application", "role": "application", "integration": "azure-devops"}' | jq -r .key
