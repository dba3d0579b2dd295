#!/usr/bin/env bash
# Unpacks programs of Debian into .venv/debian without installing them: tools/debian.sh prometheus
# What apt downloads is signed by Debian; nothing of the machine is changed but apt's own lists, and those only where
# they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/.venv/debian
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
  echo "programs of Debian ($*) are needed: run this on Debian or Ubuntu" >&2
  exit 1
}
mkdir -p "$root/packages"
cd "$root/packages"
apt-get download --quiet "$@" 2>/dev/null || { apt-get update --quiet && apt-get download --quiet "$@"; }
for package in ./*.deb; do
  dpkg-deb --extract "$package" "$root"
  rm "$package"
done
