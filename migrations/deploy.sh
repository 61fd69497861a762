#!/bin/sh
# Brings the schemas of the named projects to the newest version (or back), with sqitch.
#
#   migrations/deploy.sh postgresql://fairlead@db.example.net/fairlead registry fill traffic
#   migrations/deploy.sh --revert 'postgresql://postgres@/fairlead?host=/run/postgresql' registry
#
# The URI is libpq's form; a unix socket is given as ?host=/folder&port=5432. The role must be allowed to create schemas and roles.
set -eu

usage() {
  echo "usage: $0 [--deploy|--revert|--verify|--status] POSTGRESQL-URI PROJECT..." >&2
  exit 2
}

action=deploy
case "${1:-}" in
  --deploy | --revert | --verify | --status) action=${1#--}; shift ;;
  -*) usage ;;
esac
[ $# -ge 2 ] || usage
case "$1" in
  postgresql://*) target="db:pg:${1#postgresql:}" ;;
  postgres://*) target="db:pg:${1#postgres:}" ;;
  *) echo "$0: '$1' is no postgresql:// URI" >&2; exit 2 ;;
esac
shift
here=$(cd "$(dirname "$0")" && pwd)

# sqitch is a Perl program that calls psql; it wants a home and a name for its log of changes.
export HOME="${HOME:-/nonexistent}"
export SQITCH_FULLNAME="${SQITCH_FULLNAME:-fairlead}" SQITCH_EMAIL="${SQITCH_EMAIL:-fairlead@localhost}"
export PATH="${PATH:-/usr/bin:/bin}:/usr/bin:/bin"
case "$action" in
  deploy) set -- "$@" -- --verify ;;
  revert) set -- "$@" -- -y ;;
  *) set -- "$@" -- ;;
esac
# What stands before "--" are projects, what stands behind are flags of the action.
projects=
while [ "$1" != "--" ]; do
  projects="$projects $1"
  shift
done
shift
for project in $projects; do
  if [ ! -f "$here/$project/sqitch.plan" ]; then
    echo "$0: there is no project '$project' in $here" >&2
    exit 2
  fi
  (cd "$here/$project" && sqitch --quiet "$action" --target "$target" "$@") || {
    echo "$0: $action of $project failed" >&2
    exit 1
  }
done
