#!/bin/bash
# ./run and the installer of packages, without a build: what they refuse, and what they would ask to be installed.
set -u
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/run-script.XXXXXX")
trap 'rm -rf "$work"' EXIT
failures=0

# expect WHAT WANTED GOT
expect() {
  if [ "$2" != "$3" ]; then
    printf 'FAILED: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3"
    failures=$((failures + 1))
  fi
}

# A copy of the scripts, as in a checkout.
checkout() {
  mkdir -p "$1/deploy"
  cp -L run "$1/run"
  cp -L deploy/install-packages.sh "$1/deploy/"
  printf '# comment\n\nbuild g++\nbuild bazel-bootstrap\nrun bird2\nlint npm npm\n' >"$1/deploy/packages.txt"
}

# Programs that say what they were asked, in a folder of their own: this machine must not change.
mkdir "$work/bin"
cat >"$work/bin/dpkg-query" <<'STUB'
#!/bin/sh
for package; do :; done
case " $INSTALLED " in *" $package "*) echo installed ;; *) exit 1 ;; esac
STUB
printf '#!/bin/sh\necho 1000\n' >"$work/bin/id"
printf '#!/bin/sh\nexit 0\n' >"$work/bin/apt-get"
printf '#!/bin/sh\nshift 2\necho "sudo: $*"\n' >"$work/bin/sudo"
chmod +x "$work/bin/"*

checkout "$work/a b"
got=$("$work/a b/run" demo 2>&1)
expect "a path with a space: exit code" 1 $?
expect "a path with a space: says so at once" "./run: Bazel can't build in '$work/a b': move the checkout to a path without spaces or unusual characters" "$got"

checkout "$work/good"
"$work/good/run" nonsense >/dev/null 2>&1
expect "an unknown command: exit code" 2 $?
"$work/good/run" help | grep -q '^./run test'
expect "help lists the commands" 0 $?
"$work/good/run" fuzz address_fuzz soon >/dev/null 2>&1
expect "a fuzz run that isn't of seconds: exit code" 1 $?
got=$("$work/good/run" fuzz address_fuzz -5 2>&1)
expect "a fuzz run that isn't of seconds: says so" "./run: SECONDS '-5': a whole number from 1 on; usage: ./run fuzz NAME [SECONDS]" "$got"
ln -s "$work/good/run" "$work/link"
(cd / && "$work/link" help >/dev/null)
expect "it may be called by a link from another folder" 0 $?

installer=$work/good/deploy/install-packages.sh
got=$(PATH="$work/bin:$PATH" INSTALLED="g++ bazel-bootstrap bird2" "$installer" build run 2>&1)
expect "nothing is asked for when nothing is missing" "" "$got"
got=$(PATH="$work/bin:$PATH" INSTALLED="g++" "$installer" build run 2>/dev/null)
expect "sudo is asked for exactly what is missing" "sudo: bazel-bootstrap bird2" "$got"
got=$(PATH="$work/bin:$PATH" INSTALLED="g++" "$installer" build run 2>&1 >/dev/null)
expect "it says what it installs" "▸ installing 2 Debian packages: bazel-bootstrap bird2" "$got"
got=$(PATH="$work/bin:$PATH" INSTALLED="g++" "$installer" run 2>/dev/null)
expect "other groups are left alone" "sudo: bird2" "$got"
printf '#!/bin/sh\n' >"$work/bin/npm"
chmod +x "$work/bin/npm"
got=$(PATH="$work/bin:$PATH" INSTALLED="" "$installer" lint 2>&1)
expect "a command that will do as well counts as installed" "" "$got"
rm "$work/bin/sudo"
got=$(PATH="$work/bin:/bin:/usr/bin" INSTALLED="" "$installer" run 2>&1)
code=$?
command -v sudo >/dev/null || expect "without root and sudo it says what root must run" 1 "$code"

[ "$failures" -eq 0 ] && echo "all held"
exit $((failures > 0))
