#!/bin/bash
# The systemd units: well-formed, hardened, with flags that their programs know and settings that are set.
set -u
units=deploy/systemd
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# The units with programs and users that exist here, so that systemd-analyze looks at everything else.
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/units.XXXXXX")
trap 'rm -rf "$work"' EXIT
for unit in "$units"/*.service "$units"/*.target; do
  sed -E -e 's#^(ExecStart=)/usr/lib/fairlead/[a-z]+#\1/bin/true#; s#^(User|Group)=.*#\1=nobody#; s#^(EnvironmentFile=)#\1-#' "$unit" >"$work/$(basename "$unit")"
done
sed -i 's/^Group=nobody/Group=nogroup/' "$work"/*.service
# An instance of the template.
mv "$work/fairlead-ingestd@.service" "$work/fairlead-ingestd@lhr.service"

for unit in "$work"/*; do
  said=$(systemd-analyze verify --man=no --recursive-errors=no "$unit" 2>&1) || fail "$(basename "$unit"): $said"
  case $unit in
    *.service)
      # 0 is a program that can do nothing, 100 one that can do all; systemd's own word for 25 is "OK".
      systemd-analyze security --offline=yes --threshold=25 --no-pager "$unit" >"$work/said" 2>&1 || fail "$(basename "$unit") is exposed: $(tail -n 1 "$work/said")"
      ;;
  esac
done

# program FOLDER: each flag of its unit is one that it knows, and each ${NAME} stands in its settings.
check_program() {
  local program=$1 binary=$2 unit env flag name known
  unit=$(echo "$units"/fairlead-"$program"*.service)
  env=$units/env/$program.env
  known=$("$binary" --helpfull 2>&1)
  grep -q -- '--listen\|--state_dir' <<<"$known" || fail "$binary tells no flags"
  for flag in $(grep -oE -- '--[a-z_]+=' "$unit" | tr -d '='); do
    grep -qE -- "^ +$flag " <<<"$known" || fail "$(basename "$unit"): $program has no flag $flag"
  done
  for name in $(grep -oE '\$\{[A-Z_]+\}' "$unit" | tr -d '${}'); do
    grep -q "^$name=" "$env" || fail "$(basename "$unit"): $name isn't set in $env"
  done
}
# BIRD ends at once where it can't open a netlink socket.
grep -q '^RestrictAddressFamilies=.*AF_NETLINK' "$units/fairlead-ocad.service" || fail "fairlead-ocad.service: BIRD has no AF_NETLINK"
check_program registryd services/registry/registryd
check_program filld services/fill/filld
check_program ingestd services/ingest/ingestd
check_program steerd services/steering/steerd
check_program ocad services/agent/ocad

[ "$failures" = 0 ]
