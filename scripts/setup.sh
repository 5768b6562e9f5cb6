#!/usr/bin/env bash
# Installs from Debian what a command of this repository needs and the machine does not have. Quiet when nothing is missing.
#   setup.sh demo     what `npm run demo` needs
#   setup.sh all      that, and what the tests and the benches need
set -eu

missing=()
need() { # command, package
  command -v "$1" > /dev/null || missing+=("$2")
}
need bwrap bubblewrap
need gcc gcc
need g++ g++
need cmake cmake
need ninja ninja-build
need dpkg-source dpkg-dev
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
if [ "${1:-all}" = all ]; then
  need make make
  need clang clang
  need clang++ clang
  need localedef libc-bin
  [ -e /usr/share/i18n/locales/en_US ] || missing+=(locales)
fi
[ ${#missing[@]} -gt 0 ] || exit 0

mapfile -t packages < <(printf '%s\n' "${missing[@]}" | sort -u)
if ! command -v apt-get > /dev/null; then
  echo "icets: missing on this machine (names as in Debian): ${packages[*]}" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "icets: run this first: sudo apt-get install --no-install-recommends ${packages[*]}" >&2
  exit 1
fi
echo "icets: installing ${packages[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get -qq install -y --no-install-recommends "${packages[@]}" > "$log" 2>&1 < /dev/null
}
# The package lists may be absent or too old for the archive; they are fetched only when it does not work without.
if ! install; then
  apt-get -qq update > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
  install || { cat "$log" >&2; exit 1; }
fi
