#!/usr/bin/env bash
# First process of a board (pid 1 of its namespace): makes the board's view of the file system, says "ready", and waits.
# Unaware of what runs there. Its end ends every process of the board.
#   board-init.sh NAME STATE MASK KEEP READ_ONLY_KEEP     the last three are lists with a colon between the paths
#   MASK: folders that are empty here; KEEP: paths below them that are visible all the same
set -eu
name=$1 state=$2
IFS=: read -r -a mask <<< "$3"
IFS=: read -r -a keep <<< "$4"
IFS=: read -r -a keep_read_only <<< "$5"

hostname "$name"
mount -t proc proc /proc
mount --bind "$state/stat-$name" /proc/stat
mount --bind "$state/loadavg-$name" /proc/loadavg
mount --bind "$state/hosts" /etc/hosts
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/kept /run/lock /run/home /run/cache /run/tmp /run/icecc /run/proc
chmod 1777 /run/lock /run/tmp /run/icecc
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
# The kernel lets a sandbox mount /proc only where one is seen in full, which the board's own no longer is.
mount -t proc proc /run/proc
mkdir -p /var/cache/icecc
mount -t tmpfs -o mode=777 tmpfs /var/cache/icecc

paths=("${keep[@]}" "${keep_read_only[@]}")
for i in "${!paths[@]}"; do
  mkdir "/run/kept/$i"
  mount --rbind "${paths[$i]}" "/run/kept/$i"
done
for path in "${mask[@]}"; do
  if [ -d "$path" ]; then mount -t tmpfs -o mode=1777 tmpfs "$path"; fi
done
for i in "${!paths[@]}"; do
  mkdir -p "${paths[$i]}"
  mount --rbind "/run/kept/$i" "${paths[$i]}"
  if [ "$i" -ge "${#keep[@]}" ]; then mount -o remount,bind,ro "${paths[$i]}"; fi
  umount --recursive --lazy "/run/kept/$i"
done

cd /
echo ready
# Bash reaps the orphans of the board.
while :; do
  sleep 86400 &
  wait $! || true
done
