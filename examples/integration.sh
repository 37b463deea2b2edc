#!/usr/bin/env bash
# Creates an integration with your own Entra app, and verifies it.
# GATEWAY=… OPERATOR_KEY=… CLIENT_ID=… CLIENT_SECRET=… examples/integration.sh
set -euo pipefail

jq -n '{
  client_id: env.CLIENT_ID,
  client_credential: {kind: "client_secret", client_secret: env.CLIENT_SECRET, expires_at: "2027-05-01T00:00:00Z"},
  organizations: ["mycompany"],
  scopes: ["vso.code", "vso.work", "vso.project"],
  allowed_return_origins: ["https://app.mycompany.example"],
  reconnect_url: "https://app.mycompany.example/settings"
}' | curl -fsS -X PUT "$GATEWAY/integrations/azure-devops" -H "Authorization: Bearer $OPERATOR_KEY" -H 'Content-Type: application/json' --data-binary @- | jq
curl -fsS -X POST "$GATEWAY/integrations/azure-devops/verify" -H "Authorization: Bearer $OPERATOR_KEY" | jq
