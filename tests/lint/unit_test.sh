#!/bin/bash
# Runs the tests of the lint itself.
set -euo pipefail
cd "$TEST_SRCDIR/$TEST_WORKSPACE/tests/lint"
exec python3 -B tree_lint_test.py
