#!/usr/bin/env bash
# install-packages.sh GROUP...: installs those packages of deploy/packages.txt that are missing. Says what it installs; uses sudo when
# not root. System daemons that the packages bring (nginx, bird, postgresql) are neither started nor left enabled by it.
set -euo pipefail
list=$(dirname "$(readlink -f "$0")")/packages.txt
policy=/usr/sbin/policy-rc.d
mark="# Made by Fairlead's install-packages.sh; safe to delete when no installation is running."

# Prints the packages of the groups that are not installed. A third word in the list is a command that will do as well.
missing() {
  local group package command
  while read -r group package command; do
    [[ " $* " == *" $group "* ]] || continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
    [ -n "$command" ] && command -v "$command" >/dev/null && continue
    echo "$package"
  done < <(grep -v '^#' "$list" | grep .)
}

# Runs as root: installs "$@".
install_as_root() {
  local unit fresh=()
  export DEBIAN_FRONTEND=noninteractive
  for unit in nginx.service bird.service postgresql.service; do
    [ -e "/lib/systemd/system/$unit" ] || fresh+=("$unit")
  done
  # A leftover of an installation that was killed is ours; anybody else's stays.
  if [ ! -e "$policy" ] || grep -qF "$mark" "$policy"; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
  fi
  [ -z "$(dpkg --audit)" ] || dpkg --configure -a
  apt-get update -q
  apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@"
  if command -v systemctl >/dev/null; then
    for unit in "${fresh[@]}"; do
      if [ -e "/lib/systemd/system/$unit" ]; then systemctl --quiet disable "$unit"; fi
    done
  fi
}

if [ "${1:-}" = --as-root ]; then
  shift
  install_as_root "$@"
  exit
fi
if ! command -v apt-get dpkg-query >/dev/null; then
  echo "Fairlead is built on Debian 12, and this machine has no apt-get" >&2
  exit 1
fi
mapfile -t packages < <(missing "$@")
[ "${#packages[@]}" -gt 0 ] || exit 0
echo "▸ installing ${#packages[@]} Debian packages: ${packages[*]}" >&2
if [ "$(id -u)" -eq 0 ]; then
  install_as_root "${packages[@]}"
elif command -v sudo >/dev/null; then
  sudo "$(readlink -f "$0")" --as-root "${packages[@]}"
else
  echo "neither root nor sudo: let root run: apt-get install --no-install-recommends ${packages[*]}" >&2
  exit 1
fi
