#!/usr/bin/env bash
# The whole test run: checks, unit, contract, short end-to-end tests, a minute of fuzzing. The last line counts the
# tests; a failed check counts as one more.
#   ICETS_FUZZ_MS   milliseconds for each fuzzed property (default: a minute shared by all)
set -u
cd "$(dirname "$0")/.."
unset NODE_EXTRA_CA_CERTS
results=$(mktemp -d)
# The end-to-end tests' clusters share one cache, so that each does not fetch the compiler and its headers anew.
ICETS_TEST_CACHE=$(mktemp -d)
export ICETS_TEST_CACHE
trap 'rm -rf "$results" "$ICETS_TEST_CACHE"' EXIT
status=0

failed_checks=0
bash scripts/check.sh || failed_checks=$?
[ "$failed_checks" -eq 0 ] || status=1

if [ -z "${ICETS_FUZZ_MS:-}" ]; then
  properties=$(cat test/fuzz/*.test.ts test/fuzz/**/*.test.ts 2> /dev/null | grep -c 'fc\.assert' || true)
  export ICETS_FUZZ_MS=$((60000 / (properties > 0 ? properties : 1)))
fi

run() { # jest project, arguments of jest...
  local project=$1 output
  shift
  output=$(bash scripts/jest.sh --selectProjects "$project" --passWithNoTests --json --outputFile "$results/$project.json" "$@" 2>&1) || status=1
  node scripts/test-summary.mjs "$project" "$results/$project.json" || {
    status=1
    printf '%s\n' "$output"
  }
}
run unit
run contract
# End-to-end tests start compilers and clusters: one file at a time.
run e2e --runInBand
run fuzz --runInBand

node scripts/test-summary.mjs --total "$failed_checks" "$results"/*.json || status=1
exit "$status"
