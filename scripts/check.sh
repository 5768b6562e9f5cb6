#!/usr/bin/env bash
# Everything that reads the code without running it: types, lint, format, unused things, the layer table.
# The exit status is the number of checks that failed.
set -u
cd "$(dirname "$0")/.."
unset NODE_EXTRA_CA_CERTS
failed=()
check() { # name, command...
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok   $name"
  else
    printf '%s\n' "$output"
    echo "FAIL $name"
    failed+=("$name")
  fi
}
bin=node_modules/.bin
check types "$bin/tsc" -p .
check lint "$bin/eslint" --max-warnings 0 .
check format "$bin/prettier" --check --log-level warn .
check unused "$bin/knip" --no-progress
check layers bash scripts/jest.sh --selectProjects layers --passWithNoTests --silent
if [ ${#failed[@]} -gt 0 ]; then
  echo "check: failed: ${failed[*]}"
else
  echo 'check: all fine'
fi
exit ${#failed[@]}
