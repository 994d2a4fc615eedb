#!/bin/bash
# Installs the Debian packages that the tests need and this machine lacks. Says
# what it does; needs root only when something is missing.
set -euo pipefail

missing=()
need() { # need PACKAGE COMMAND...
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}
anyglob() { compgen -G "$1" >/dev/null || { [ $# -gt 1 ] && command -v "$2"; }; }

need gcc command -v gcc
need libc6-dev test -e /usr/include/stdlib.h
need openssl command -v openssl
need softhsm2 command -v softhsm2-util
need opensc command -v pkcs11-tool
need swtpm command -v swtpm
need postgresql anyglob '/usr/lib/postgresql/*/bin/initdb' initdb
need postgresql-client anyglob '/usr/lib/postgresql/*/bin/pg_dump' pg_dump
if [ -z "${CLAVIGER_TEST_PYTHON:-}" ]; then
	need python3-pykmip /usr/bin/python3 -W ignore -c 'import kmip.pie.client, ssl; ssl.wrap_socket'
fi
if docker version >/dev/null 2>&1 && ! docker image inspect "${CLAVIGER_TEST_POSTGRES_IMAGE:-claviger-test/postgres:local}" >/dev/null 2>&1; then
	need debootstrap env PATH="$PATH:/usr/sbin" bash -c 'command -v debootstrap'
fi

if [ ${#missing[@]} -eq 0 ]; then
	echo "packages: everything that the tests need is here"
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "packages: this is no Debian; the tests also need what Debian calls ${missing[*]}" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "packages: the tests also need ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "packages: installs ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Postgres is for tests only: no server that runs on this machine all the time.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
	mkdir -p /etc/postgresql-common
	echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
fi
apt-get install -y --no-install-recommends "${missing[@]}" >/tmp/claviger-packages.log 2>&1 ||
	{ apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; }
