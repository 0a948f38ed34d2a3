# Sourced by the scripts of tests/deploy, which begin with `. tests/deploy/lib.sh` after a cd to the project.
# shellcheck shell=bash

passed=0 failed=0

# check SENTENCE COMMAND...: the sentence is true if the command succeeds; else its output is shown.
check() {
  local sentence=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "ok: $sentence"
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n%s\n' "$sentence" "$output"
  fi
}

# Print the count, and end with its status.
finish() {
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

# skip REASON: end a script that this machine cannot run. Where nothing may be missing, that is a failure.
skip() {
  echo "skipped: $1"
  [[ ${REDISTILL_TEST_REQUIRE_TOOLS:-} != 1 ]] || failed=$((failed + 1))
  finish
}

# Whether roots can be made and entered here.
can_use_roots() {
  ((EUID == 0)) && command -v debootstrap >/dev/null && unshare --mount --pid --fork true
}

# copy_of_root SUITE NAME: make a copy of a pristine root, in place of the one of that name, in which no service starts by
# itself and dpkg does not wait for the disk; print its path.
copy_of_root() {
  local pristine root
  pristine=$(tests/deploy/root "$1") || return
  root=${pristine%/*}/$2-$1
  rm -rf --one-file-system "$root"
  cp -a --reflink=auto "$pristine" "$root" || return
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
  # pip fetches what Debian 12 does not have, with the certificates that this machine trusts.
  cp "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" "$root/root/certificates.pem"
  echo "$root"
}

# in_root ROOT COMMAND...: run a command in a root, with processes of its own, which end with it, and the machine's network.
in_root() {
  local root=$1
  shift
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PIP_CERT=/root/certificates.pem "$@"
}
