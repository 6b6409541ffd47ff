#!/bin/sh
# Installs what a Linux host needs so that TSEs are found, may be opened by the gateway, and are left alone by others.
#
#   install.sh                            rules, probe and group
#   install.sh usbip HOST BUSID [PORT]    also keep this device of a USB/IP server attached
#   install.sh mount SERIAL               also mount the volume of this TSE
#   install.sh remove                     take everything away again
#
# Run as root. DESTDIR=/some/where installs there and starts nothing, for packages and images.
set -eu
cd "$(dirname "$0")"

root=${DESTDIR:-}
gid=10001 # the group of the user in the gateway's container
units=$root/etc/systemd/system
settings=$root/etc/tse-gateway

put() { # MODE FILE TARGET
  mkdir -p "$(dirname "$root$3")"
  cp "$2" "$root$3"
  chmod "$1" "$root$3"
}

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

group() {
  [ -z "$root" ] || return 0
  known=$(getent group tse | cut -d: -f3)
  if [ -z "$known" ]; then
    taken=$(getent group "$gid" | cut -d: -f1)
    [ -z "$taken" ] || fail "group id $gid belongs to $taken: make a group tse with another id, and give that id to the container (group_add)"
    if command -v groupadd >/dev/null; then groupadd --gid "$gid" tse; else addgroup -g "$gid" tse; fi
  elif [ "$known" != "$gid" ]; then
    echo "group tse has id $known, not $gid: give the container that id (group_add: [\"$known\"])"
  fi
}

rules() {
  command -v od >/dev/null || fail "od is missing (coreutils or busybox)"
  group
  put 755 tse-probe /usr/lib/udev/tse-probe
  put 644 59-tse.rules /etc/udev/rules.d/59-tse.rules
  refresh
  [ -n "$root" ] || {
    echo "TSEs found now:"
    ls /dev/tse 2>/dev/null || echo "none"
  }
}

refresh() {
  [ -z "$root" ] || return 0
  udevadm control --reload
  udevadm trigger --action=add --subsystem-match=block
  udevadm settle --timeout=30 || echo "udev is still busy: a disk may be locked by another program"
}

start() { # UNIT
  [ -z "$root" ] || return 0
  systemctl daemon-reload
  systemctl enable --now "$1"
}

import() { # HOST BUSID [PORT]
  [ $# -ge 2 ] || fail "usage: install.sh usbip HOST BUSID [PORT]"
  [ -n "$root" ] || command -v usbip >/dev/null || fail "usbip is missing (Debian: usbip, Ubuntu: linux-tools-generic)"
  put 755 usbip-keep-attached /usr/local/sbin/usbip-keep-attached
  put 644 usbip-attach@.service /etc/systemd/system/usbip-attach@.service
  mkdir -p "$settings"
  name=$(printf %s "$1-$2" | tr -c 'A-Za-z0-9\n' -)
  printf 'HOST=%s\nBUSID=%s\nPORT=%s\n' "$1" "$2" "${3:-3240}" >"$settings/usbip-$name.conf"
  start "usbip-attach@$name.service"
}

mount_volume() { # SERIAL
  case ${1:-} in *[!0-9A-F]* | "") fail "the serial has 64 digits 0-9 and A-F, as in /dev/tse" ;; esac
  [ ${#1} -eq 64 ] || fail "the serial has 64 digits 0-9 and A-F, as in /dev/tse"
  mkdir -p "$units"
  group=$(getent group tse | cut -d: -f3)
  sed "s/@SERIAL@/$1/g; s/@GID@/${group:-$gid}/" tse.mount.in >"$units/mnt-tse-$1.mount"
  # Whoever comes first would have it: the gateway must not take the disk before it is mounted.
  echo "ENV{ID_TSE_SERIAL}==\"$1\", GROUP=\"root\", MODE=\"0600\"" >"$root/etc/udev/rules.d/60-tse-$1.rules"
  refresh
  start "mnt-tse-$1.mount"
}

remove() {
  for unit in "$units"/mnt-tse-*.mount "$settings"/usbip-*.conf; do
    [ -e "$unit" ] || continue
    name=${unit##*/}
    case $name in usbip-*) name=${name#usbip-} name=usbip-attach@${name%.conf}.service ;; esac
    [ -n "$root" ] || systemctl disable --now "$name" || true
    rm "$unit"
  done
  rm -f "$units/usbip-attach@.service" "$root/usr/local/sbin/usbip-keep-attached"
  rm -f "$root/etc/udev/rules.d/59-tse.rules" "$root"/etc/udev/rules.d/60-tse-*.rules "$root/usr/lib/udev/tse-probe"
  [ -n "$root" ] || udevadm control --reload
  echo "removed; the group tse is left, delete it with groupdel if nothing else uses it"
}

[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run it as root (sudo)"
case ${1:-} in
  "") rules ;;
  usbip)
    shift
    rules
    import "$@"
    ;;
  mount)
    rules
    mount_volume "${2:-}"
    ;;
  remove) remove ;;
  *) fail "unknown: $1; see the first lines of this file" ;;
esac
