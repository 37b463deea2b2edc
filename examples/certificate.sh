#!/usr/bin/env bash
# Makes a certificate and its key in this folder, and puts them in place of an integration's client secret.
# GATEWAY=… OPERATOR_KEY=… examples/certificate.sh
set -euo pipefail

openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=ado-connect -keyout key.pem -out certificate.pem
jq -n --rawfile certificate certificate.pem --rawfile key key.pem '{kind: "certificate", certificate_pem: $certificate, private_key_pem: $key}' \
  | curl -fsS -X PUT "$GATEWAY/integrations/azure-devops/client-credential" -H "Authorization: Bearer $OPERATOR_KEY" -H 'Content-Type: application/json' --data-binary @- | jq
