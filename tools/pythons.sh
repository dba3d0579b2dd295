#!/usr/bin/env bash
# Runs the test suite under each Python that the project supports and this machine has, apart from the one of `make test`.
# Usage: tools/pythons.sh          A version that is missing is a failure; SKIP_MISSING=1 passes it by. NEWEST=1 runs the newest
# only, and only the tests of what leans on the library and on aiohttp and needs no processes of its own: what CI has
# the time for. PREPARE=1 makes the environments, with pyenv where the version is missing, and runs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

interpreter() {  # the path of a working interpreter of version $1, from PATH or from pyenv
  if command -v "python$1" >/dev/null && "python$1" -c '' 2>/dev/null; then command -v "python$1"; return; fi
  command -v pyenv >/dev/null || return 1
  local full
  full=$(pyenv versions --bare 2>/dev/null | grep -E "^$1\.[0-9]+$" | tail -n 1) || return 1
  [ -n "$full" ] && echo "$(pyenv prefix "$full")/bin/python"
}

this=$("${PYTHON:-python3}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
versions="3.11 3.12 3.13"
tests=(tests)
if [ -n "${NEWEST:-}" ]; then
  versions="3.13"
  tests=(tests/edge tests/observe tests/odata tests/store tests/upstream)
fi
missing=
for version in $versions; do
  [ "$version" = "$this" ] && continue
  if [ -n "${PREPARE:-}" ] && ! interpreter "$version" >/dev/null && command -v pyenv >/dev/null; then
    pyenv install --skip-existing "$version"
  fi
  python=$(interpreter "$version") || { missing="$missing $version"; continue; }
  venv=.venv/py$version
  if [ ! -f "$venv/.done" ] || [ requirements/dev.txt -nt "$venv/.done" ]; then
    rm -rf "$venv" && "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
    touch "$venv/.done"
  fi
  [ -n "${PREPARE:-}" ] && continue
  echo "Python $version"
  "$venv/bin/python" -m pytest -n auto -m "not interop" "${tests[@]}"
done
for version in $missing; do
  echo "Python $version is not on this machine: put a working python$version on PATH, or run \`pyenv install $version\`" >&2
done
[ -z "$missing" ] || [ -n "${SKIP_MISSING:-}" ]
