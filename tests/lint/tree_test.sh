#!/bin/bash
# Runs the lint over the real tree, whose root is where the runfile WORKSPACE really stands.
set -euo pipefail
cd "$TEST_SRCDIR/$TEST_WORKSPACE"
exec python3 -B tests/lint/tree_lint.py "$(dirname "$(realpath WORKSPACE)")"
