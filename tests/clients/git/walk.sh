#!/usr/bin/env bash
# Clone, fetch and push through the proxy, with our key as a header, as a password, and in the address.
#   REPOSITORY_URL   https://<gateway>/proxy/<connection>/dev.azure.com/mycompany/Website/_git/Website
#   API_KEY          an application's key
#   PUSH_BYTES       size of the push
set -euo pipefail
step() { printf '  git: %s: %s\n' "$1" "$2"; }

with_header() {
  git -c http.extraHeader="Authorization: Bearer $API_KEY" -c http.postBuffer=6000000 "$@"
}
with_password() {
  git -c credential.helper= -c credential.helper='!printf "username=any\npassword=%s\n" "$API_KEY" #' "$@"
}

with_header clone --quiet "$REPOSITORY_URL" one
git -C one fsck --full --strict --no-progress
step 'cloned with the key in a header, kB' "$(git -C one count-objects -v | awk '/^size/ { size += $2 } END { print size }')"

with_password clone --quiet "$REPOSITORY_URL" two
[ "$(git -C one rev-parse HEAD)" = "$(git -C two rev-parse HEAD)" ]
step 'cloned with the key as password, at' "$(git -C two rev-parse --short HEAD)"

git -c credential.helper= clone --quiet "${REPOSITORY_URL/:\/\//://any:$API_KEY@}" three
[ "$(git -C one rev-parse HEAD)" = "$(git -C three rev-parse HEAD)" ]
step 'cloned with the key in the address, at' "$(git -C three rev-parse --short HEAD)"
# The clone keeps the address, and the key in it, in its configuration.
rm -rf three

head -c "$PUSH_BYTES" /dev/urandom > one/pushed.bin
git -C one add pushed.bin
git -C one commit --quiet --message 'A file that cannot be compressed'
with_header -C one push --quiet origin HEAD
step 'pushed, bytes' "$PUSH_BYTES"

with_password -C two pull --quiet --ff-only
cmp one/pushed.bin two/pushed.bin
step 'fetched, at' "$(git -C two rev-parse --short HEAD)"

if git -C two -c http.extraHeader='Authorization: Bearer nonsense' ls-remote 2>/dev/null; then
  echo 'a wrong key was accepted' >&2
  exit 1
fi
step 'a wrong key' 'refused'

API_KEY=nonsense
if with_password -C two ls-remote 2>/dev/null; then
  echo 'a wrong password was accepted' >&2
  exit 1
fi
step 'a wrong password' 'refused'
