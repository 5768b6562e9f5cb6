#!/usr/bin/env bash
# Removes the boards once whoever made them has gone, however that happened: waits for the end of its input, then ends the
# processes listed in STATE/processes (number and start time), removes the groups listed in STATE/groups, and restores the
# values listed in STATE/restore. Unaware of everything else.
#   board-guard.sh STATE
set -u
state=$1
trap '' INT TERM HUP
cat > /dev/null

start_time() { # of a process: field 22 of proc(5), counted behind the name
  local line
  read -r line 2> /dev/null < "/proc/$1/stat" || return 1
  line=${line##*) }
  set -- $line
  echo "${20}"
}

if [ -f "$state/processes" ]; then
  while read -r pid started; do
    if [ "$(start_time "$pid")" = "$started" ]; then kill -KILL "$pid" 2> /dev/null; fi
  done < "$state/processes"
fi
if [ -f "$state/groups" ]; then
  for ((i = 0; i < 100; i++)); do
    left=0
    while read -r folder; do
      if [ -d "$folder" ]; then rmdir "$folder" 2> /dev/null || left=1; fi
    done < "$state/groups"
    if [ "$left" = 0 ]; then break; fi
    sleep 0.1
  done
fi
if [ -f "$state/restore" ]; then
  while read -r file value; do echo "$value" > "$file"; done < "$state/restore"
fi
rm -rf "$state"
