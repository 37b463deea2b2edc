#!/usr/bin/env bash
# Confirms that the user who came back is the user who started.
# GATEWAY=… APPLICATION_KEY=… CONNECTION_ID=… CONFIRMATION=… examples/confirm.sh
set -euo pipefail

jq -n '{confirmation: env.CONFIRMATION, user: "ada"}' \
  | curl -fsS -X POST "$GATEWAY/connections/$CONNECTION_ID/confirm" -H "Authorization: Bearer $APPLICATION_KEY" -H 'Content-Type: application/json' --data-binary @- | jq
