#!/usr/bin/env bash
# Clones a repository through the streaming proxy, and pulls: with the key in a header, then as the password.
# STREAMING=… APPLICATION_KEY=… CONNECTION_ID=… examples/clone.sh
set -euo pipefail

git -c http.extraHeader="Authorization: Bearer $APPLICATION_KEY" clone "$STREAMING/proxy/$CONNECTION_ID/dev.azure.com/mycompany/Website/_git/Website"
git -c credential.helper='!printf "username=any\npassword=%s\n" "$APPLICATION_KEY" #' -C Website pull
