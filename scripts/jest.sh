#!/usr/bin/env bash
# Runs jest in ESM mode with a Node that starts fast and leaks no certificate settings into children.
set -eu
cd "$(dirname "$0")/.."
unset NODE_EXTRA_CA_CERTS
export NODE_OPTIONS="--experimental-vm-modules --disable-warning=ExperimentalWarning"
exec node_modules/.bin/jest "$@"
