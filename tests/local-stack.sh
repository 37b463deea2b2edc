# shellcheck shell=bash
# Sourced by checks: starts the local stack, and ends it with the script.

# Removed at the end.
scratch=$(mktemp -d)
stack=
end() {
  if [ -n "$stack" ]; then
    kill -INT "$stack" 2>/dev/null || true
    wait "$stack" || true
  fi
  rm -rf "$scratch"
}
trap end EXIT

# Starts the local stack with these options and waits until it is ready. Its output is in $scratch/stack.
start_local_stack() {
  # Job control, because the background jobs of a script ignore SIGINT otherwise.
  set -m
  cargo run --package local --locked -- "$@" >"$scratch/stack" </dev/null &
  stack=$!
  set +m
  # The build is included.
  local deadline=$((SECONDS + 1800))
  until grep --quiet '^ready:' "$scratch/stack"; do
    if ! kill -0 "$stack" 2>/dev/null; then
      echo 'the local stack has ended instead of getting ready' >&2
      exit 1
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo 'the local stack did not get ready in half an hour' >&2
      exit 1
    fi
    sleep 0.2
  done
}
