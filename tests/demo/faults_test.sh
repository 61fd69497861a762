#!/bin/bash
# A dozen faults of the matrix, chosen by the seed, with short freezes; every promise and invariant is judged as in the whole.
set -u
FAIRLEAD_RUN_DIR=$(mktemp -d /tmp/fairlead-faults.XXXXXX)
export FAIRLEAD_RUN_DIR
chmod 755 "$FAIRLEAD_RUN_DIR" # As root, PostgreSQL runs as another user.

if ! tests/lab/lab faults --moments=1 --most=12 --frozen=3s --bin_dir="$PWD" --src_dir="$PWD"; then
  tail -n 5 "$FAIRLEAD_RUN_DIR"/logs/{registryd,ingestd,filld,steerd,nginx-front,postgresql,ocad-*}.log 2>/dev/null
  tests/lab/lab down
  exit 1
fi
rm -rf "$FAIRLEAD_RUN_DIR"
