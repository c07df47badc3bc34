#!/usr/bin/env bash
# Make sure that the tests marked `browser` find a Chromium: look on PATH, else install Debian's package.
# Where that is impossible these tests are skipped, except when CI is set: there it is an error.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    echo "browser for the report tests: $(command -v "$name")"
    exit 0
  fi
done

give_up() {
  echo "No Chromium found and none installed: $1." >&2
  if [[ -n "${CI:-}" ]]; then
    echo "CI is set, so this is an error." >&2
    exit 1
  fi
  echo "The browser tests will be skipped. To run them, install chromium by hand." >&2
  exit 0
}

command -v apt-get >/dev/null || give_up "there is no apt-get on this machine"
if [[ $EUID -eq 0 ]]; then
  as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n env)
else
  give_up "installing needs root, or sudo without a password"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing chromium for the report tests (once) ..."
for step in "update" "install --yes --no-install-recommends chromium"; do
  # shellcheck disable=SC2086 # the words of a step are separate arguments
  if ! "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet $step </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    give_up "apt-get $step failed"
  fi
done
command -v chromium >/dev/null || give_up "apt-get installed no command named chromium"
echo "browser for the report tests: $(command -v chromium)"
