#!/usr/bin/env bash
# Install Debian packages that are missing. As root with apt only; elsewhere it says so and goes on,
# and the tests that need a server skip with a line that names it.
set -u
missing=()
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "not root or no apt: not installed: ${missing[*]}" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# Servers are installed for private instances in tests; none of them may start by itself.
policy=/usr/sbin/policy-rc.d
made=no
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=yes; }
apt-get -qq update && apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null
status=$?
[ "$made" = yes ] && rm -f "$policy"
exit $status
