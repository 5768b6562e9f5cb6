#!/usr/bin/env bash
# Makes a bare clone ready (packages, node_modules, the build), each only when it is missing or out of date, then runs the
# command given.
#   with-setup.sh [--for demo|all] COMMAND ARGS...
set -eu
cd "$(dirname "$0")/.."

purpose=all
if [ "${1:-}" = --for ]; then
  purpose=$2
  shift 2
fi

prepare() {
  bash scripts/setup.sh "$purpose"

  # npm writes node_modules/.package-lock.json last, so it tells when the folder was completed.
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    echo 'icets: npm ci' >&2
    npm ci --no-fund --no-audit --loglevel=error >&2
    touch node_modules/.package-lock.json
  fi

  local stamp=dist/.built newer=
  if [ -e "$stamp" ] && [ -e bin/icets ]; then
    newer=$(find src scripts/build.sh scripts/launcher-*.sh* package.json package-lock.json -newer "$stamp" -print -quit 2> /dev/null || true)
  else
    newer=all
  fi
  if [ -n "$newer" ]; then
    echo 'icets: npm run build' >&2
    mkdir -p dist
    touch dist/.build-started
    NODE_EXTRA_CA_CERTS='' npm run --silent build >&2
    mv dist/.build-started "$stamp"
  fi
}

# Two commands started at once must not both write node_modules and dist.
mkdir -p .cache
exec 9> .cache/setup.lock
flock 9
prepare
exec 9>&-

# It triples Node's start-up time; npm and apt above are the only ones that may need it.
unset NODE_EXTRA_CA_CERTS
exec "$@"
