#!/usr/bin/env bash
# Exports the audit trail of a time to audit.ndjson, page by page.
# GATEWAY=… OPERATOR_KEY=… SINCE=2026-11-29T00:00:00Z UNTIL=2026-11-30T00:00:00Z examples/audit.sh
set -euo pipefail

next="$GATEWAY/audit?since=$SINCE&until=$UNTIL"
while [ -n "$next" ]; do
  curl -fsS "$next" -H "Authorization: Bearer $OPERATOR_KEY" -D headers >>audit.ndjson
  next=$(sed -n 's/^[Ll]ink: <\(.*\)>; rel="next".*/\1/p' headers)
done
