#!/usr/bin/env bash
# Regenerates src/proto/generated from proto/*.proto; the result is committed.
set -eu
cd "$(dirname "$0")/.."
rm -rf src/proto/generated
PATH="$PWD/node_modules/.bin:$PATH" buf generate proto --template proto/buf.gen.yaml -o .
