#!/usr/bin/env bash
# Bundles the command line, the agent and the launcher's stand-in into dist/, and makes bin/icets.
set -eu
cd "$(dirname "$0")/.."
unset NODE_EXTRA_CA_CERTS
mkdir -p dist bin
bundle() { # entry, output, extra arguments of esbuild
  local entry=$1 out=$2
  shift 2
  node_modules/.bin/esbuild "$entry" --bundle --platform=node --target=node20 --format=esm --outfile="dist/.$out.new" \
    --log-level=warning --external:lmdb --legal-comments=none \
    --banner:js='import{createRequire as __icetsRequire}from"node:module";const require=__icetsRequire(import.meta.url);' "$@"
  mv "dist/.$out.new" "dist/$out"
}
version=$(node -p 'require("./package.json").version')
bundle src/cli/main.ts icets.mjs "--define:__ICETS_VERSION__=\"$version\""
bundle src/cli/agent-main.ts agent.mjs "--define:__ICETS_VERSION__=\"$version\""
bundle src/ipc/client-main.ts client.mjs "--define:__ICETS_VERSION__=\"$version\""
hash=$(bash scripts/launcher-hash.sh)
printf '%s\n' "$hash" > dist/build.hash
sed "s/@HASH@/$hash/g" scripts/launcher-shim.sh.in > bin/.icets.new
chmod 755 bin/.icets.new
mv bin/.icets.new bin/icets
# What an earlier script left when the launcher took its place, or could not; a word in icets.script is the user's own.
rm -f bin/icets.home
if [ ! -s bin/icets.script ]; then rm -f bin/icets.script; fi
