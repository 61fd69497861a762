#!/bin/bash
# clang-format over all our C++: writes, or with --check only says which files differ (exit 1).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

mode=(-i)
if [[ "${1:-}" == --check ]]; then mode=(--dry-run -Werror); fi

# New files count too; a tree without git (a release archive) is walked. What was deleted but not committed is left out.
list_files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc'
  else
    find libs services tests -name node_modules -prune -o \( -name '*.h' -o -name '*.cc' \) -print0
  fi
}

files=()
while IFS= read -r -d '' file; do
  if [[ -f "$file" ]]; then files+=("$file"); fi
done < <(list_files)
if ((${#files[@]} == 0)); then
  echo "format: found no C++ files in $PWD" >&2
  exit 2
fi
printf '%s\0' "${files[@]}" | xargs -0 -n 50 -P "$(nproc)" clang-format-14 "${mode[@]}"
