#!/bin/bash
# ./run demo --once, from the programs as Bazel built them; before that, a lab that is killed half-way with all its processes left
# running, which the demo must clear away.
set -u
FAIRLEAD_RUN_DIR=$(mktemp -d /tmp/fairlead-demo.XXXXXX)
export FAIRLEAD_RUN_DIR
chmod 755 "$FAIRLEAD_RUN_DIR" # As root, PostgreSQL runs as another user.
lab=(tests/lab/lab --bin_dir="$PWD" --src_dir="$PWD")

# Whatever carries the run folder's mark or works in it.
left() {
  local process
  for process in /proc/[0-9]*; do
    if { tr '\0' '\n' <"$process/environ"; } 2>/dev/null | grep -qxF "FAIRLEAD_LAB_RUN=$FAIRLEAD_RUN_DIR"; then
      echo "${process#/proc/} $(tr '\0' ' ' <"$process/cmdline")"
    elif [[ $(readlink "$process/cwd" 2>/dev/null) == "$FAIRLEAD_RUN_DIR"* ]]; then
      echo "${process#/proc/} $(tr '\0' ' ' <"$process/cmdline")"
    fi
  done
}
fail() {
  echo "FAILED: $*"
  tail -n 5 "$FAIRLEAD_RUN_DIR"/logs/{registryd,ingestd,filld,steerd,nginx-front,postgresql,ocad-*}.log 2>/dev/null
  "${lab[@]}" down
  exit 1
}

"${lab[@]}" up >"$TEST_TMPDIR/up.txt" 2>&1 &
up=$!
for _ in $(seq 600); do
  grep -q 'fairlead apply' "$TEST_TMPDIR/up.txt" && break
  kill -0 "$up" 2>/dev/null || { cat "$TEST_TMPDIR/up.txt"; fail "up ended by itself"; }
  sleep 0.1
done
"${lab[@]}" demo --once >/dev/null 2>&1 && fail "a second lab took the folder of a running one"
kill -9 "$up"
wait "$up" 2>/dev/null
[ -n "$(left)" ] || fail "nothing was left running: then this test shows nothing"

"${lab[@]}" demo --once || fail "demo --once: exit code $?"
[ -z "$(left)" ] || fail "still running after the end: $(left)"
"${lab[@]}" down | grep -qx 'nothing was running' || fail "down found something"
rm -rf "$FAIRLEAD_RUN_DIR"
