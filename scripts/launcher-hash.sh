#!/bin/sh
# Prints the build hash that launcher and agent must share: the first twelve hexadecimal digits of the SHA-256 of
# src/launcher/* followed by dist/*.mjs, each in the order of their names. Run it after the bundles are written.
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C
export LC_ALL
set -- src/launcher/*
for bundle in dist/*.mjs; do
  if [ -f "$bundle" ]; then set -- "$@" "$bundle"; fi
done
cat "$@" | sha256sum | cut -c1-12
