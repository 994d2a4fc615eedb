#!/bin/sh
# Builds the images that docker-compose.yml needs beside Claviger's own, from
# Debian packages, for machines that have a container engine and no registry:
# claviger-base/debian:local (ca-certificates, SoftHSM), the base of Claviger's
# image, and claviger-base/haproxy:local. Leaves images that are there. Needs
# root, debootstrap and docker. For Postgres: testenv/images/postgres/build.sh.
set -eu

say() { echo "build.sh: $*"; }
die() { echo "build.sh: $*" >&2; exit 1; }

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
command -v docker >/dev/null || die "docker is not installed"

find_mirror() { . "$here/../../testenv/images/mirror.sh"; }

# build IMAGE PACKAGES [CHANGE...]
build() {
	image=$1 packages=$2
	shift 2
	if docker image inspect "$image" >/dev/null 2>&1; then
		say "$image is there already"
		return
	fi
	command -v debootstrap >/dev/null || die "debootstrap is not installed"
	[ "$(id -u)" = 0 ] || die "debootstrap needs root"
	find_mirror
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT INT TERM
	say "installs Debian $suite with $packages from $mirror"
	if ! debootstrap --variant=minbase --keyring="$keyring" --include="$packages" \
		"$suite" "$work/root" "$mirror" >"$work/log" 2>&1; then
		tail -n 30 "$work/log" "$work/root/debootstrap/debootstrap.log" >&2 || :
		die "debootstrap failed"
	fi
	rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* "$work"/root/usr/share/doc/* \
		"$work"/root/usr/share/man/* "$work"/root/usr/share/locale/*
	tar -C "$work/root" -c . | docker import "$@" - "$image" >/dev/null
	rm -rf "$work"
	say "$image is ready"
}

here=$(dirname "$0")
build "${CLAVIGER_BASE_IMAGE:-claviger-base/debian:local}" ca-certificates,softhsm2
build "${HAPROXY_IMAGE:-claviger-base/haproxy:local}" haproxy \
	--change 'ENTRYPOINT ["/usr/sbin/haproxy", "-W", "-db"]' --change 'CMD ["-f", "/usr/local/etc/haproxy/haproxy.cfg"]'
