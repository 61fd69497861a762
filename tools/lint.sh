#!/bin/bash
# ./run lint: everything that is checked without running the product. Runs all steps, or those named; exit 1 if any finds something.
#
#   tools/lint.sh [proto] [breaking] [format] [tree] [shell] [steering] [threads]
#
# Settings (environment):
#   LINT_BASE                what `breaking` compares with: a git revision. Default: where this branch left origin/main; on main itself,
#                            or without a remote, the commit before HEAD.
#   FAIRLEAD_BUILD_CACHE     where Bazel keeps the output of `threads`, apart from the normal build's. Default: ~/.cache/fairlead/lint
#   LINT_BAZEL_FLAGS         more flags for that build, like --jobs=2.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 2

readonly CACHE="${FAIRLEAD_BUILD_CACHE:-${HOME:-/var/tmp}/.cache/fairlead/lint}"
readonly BUF="$PWD/tools/buf/node_modules/.bin/buf"

# need_npm FOLDER: its packages come from npm by the lock file's hashes, once per version.
need_npm() {
  local stamp=$1/node_modules/.fairlead-lock
  if cmp -s "$1/package-lock.json" "$stamp"; then return 0; fi
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && cp "$1/package-lock.json" "$stamp"
}

need_buf() {
  need_npm tools/buf && [[ -x "$BUF" ]]
}

step_proto() {
  need_buf && "$BUF" lint proto
}

# The revision whose clients and stored data must still work. On a branch that is the point where it left main; on main itself that point
# is HEAD, which would compare the tree with itself, so there it is the commit before.
breaking_base() {
  if [[ -n "${LINT_BASE:-}" ]]; then
    git rev-parse --verify --quiet "$LINT_BASE^{commit}" || { echo "LINT_BASE='$LINT_BASE' is not a commit" >&2; return 2; }
    return
  fi
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null)
  if [[ -n "$base" && "$base" != "$(git rev-parse HEAD)" ]]; then
    echo "$base"
  else
    git rev-parse --verify --quiet 'HEAD~1^{commit}'
  fi
}

step_breaking() {
  if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    echo "no git history here: nothing to compare with"
    return 0
  fi
  local base old status
  base=$(breaking_base)
  status=$?
  if ((status == 2)); then return 1; fi
  if [[ -z "$base" ]] || ! git cat-file -e "$base:proto" 2>/dev/null; then
    echo "no earlier contract to compare with"
    return 0
  fi
  need_buf || return 1
  old=$(mktemp -d)
  # The old files under today's rules.
  git archive "$base" proto | tar -x -C "$old" && cp proto/buf.yaml "$old/proto/buf.yaml" &&
    echo "against $(git log -1 --format='%h %s' "$base")" && "$BUF" breaking proto --against "$old/proto"
  status=$?
  rm -rf "$old"
  return $status
}

step_format() {
  tools/format.sh --check || { echo "apply with: ./run format"; return 1; }
}

step_tree() {
  python3 -B tests/lint/tree_lint.py
}

step_shell() {
  local failed=0 checked=0 file
  while IFS= read -r -d '' file; do
    case "$(head -c 64 "$file" | head -n 1 | tr -d '\0')" in
      '#!/bin/bash'* | '#!/bin/sh'* | '#!/usr/bin/env bash'*)
        checked=$((checked + 1))
        bash -n "$file" && shellcheck --severity=warning "$file" || failed=1
        ;;
    esac
  done < <(find . -name .git -prune -o -name node_modules -prune -o -path './bazel-*' -prune -o -type f \( -name '*.sh' -o -perm -u+x \) -print0)
  if ((checked == 0)); then
    echo "found no shell script"
    return 1
  fi
  return $failed
}

# Steering manifests as we make them (their unit tests compare with these files) before a validator that isn't ours.
step_steering() {
  need_npm tools/contentsteering && node tools/contentsteering/validate.mjs libs/contentsteering/testdata/steering-manifest*.json
}

# clang 14 knows the lock annotations that g++ ignores. It only compiles (no linking, no tests), in an output base of its own, because
# the other compiler would throw away the normal build's analysis each time.
step_threads() {
  mkdir -p "$CACHE" || return 1
  # shellcheck disable=SC2086  # Several flags.
  bazel --output_base="$CACHE/threadsafety" --max_idle_secs=30 build --config=threadsafety --noshow_progress \
    --output_groups=compilation_outputs --disk_cache="$CACHE/disk" ${LINT_BAZEL_FLAGS:-} //libs/... //services/...
}

readonly ALL_STEPS=(proto breaking format tree shell steering threads)
steps=("$@")
if ((${#steps[@]} == 0)); then steps=("${ALL_STEPS[@]}"); fi
for step in "${steps[@]}"; do
  if ! declare -F "step_$step" >/dev/null; then
    echo "lint: no step '$step'; there are: ${ALL_STEPS[*]}" >&2
    exit 2
  fi
done

failed=()
for step in "${steps[@]}"; do
  began=$SECONDS
  echo "== $step"
  if "step_$step"; then
    echo "   ok ($((SECONDS - began)) s)"
  else
    echo "   FAILED ($((SECONDS - began)) s)"
    failed+=("$step")
  fi
done
if ((${#failed[@]} > 0)); then
  echo "lint: failed: ${failed[*]}"
  exit 1
fi
echo "lint: ok"
