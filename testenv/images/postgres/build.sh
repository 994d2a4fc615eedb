#!/bin/sh
# Builds the image claviger-test/postgres:local from Debian packages, for
# machines that have a container engine and no registry. Does nothing if the
# image is there. Needs root, debootstrap and docker.
#
# usage: build.sh [IMAGE]
set -eu

image=${1:-${CLAVIGER_TEST_POSTGRES_IMAGE:-claviger-test/postgres:local}}

say() { echo "build.sh: $*"; }
die() { echo "build.sh: $*" >&2; exit 1; }

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
command -v docker >/dev/null || die "docker is not installed"
if docker image inspect "$image" >/dev/null 2>&1; then
	say "$image is there already"
	exit 0
fi
command -v debootstrap >/dev/null || die "debootstrap is not installed"
[ "$(id -u)" = 0 ] || die "debootstrap needs root"

. "$(dirname "$0")/../mirror.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
say "installs Debian $suite with postgresql from $mirror"
if ! debootstrap --variant=minbase --keyring="$keyring" --include=postgresql \
	"$suite" "$work/root" "$mirror" >"$work/log" 2>&1; then
	tail -n 30 "$work/log" "$work/root/debootstrap/debootstrap.log" >&2 || :
	die "debootstrap failed"
fi

say "makes it small"
rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* "$work"/root/usr/share/doc/* \
	"$work"/root/usr/share/man/* "$work"/root/usr/share/locale/* "$work"/root/var/lib/postgresql/*/main

cat >"$work/root/usr/local/bin/claviger-postgres" <<'END'
#!/bin/sh
# Starts an empty server that trusts everybody: for tests only.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
mkdir -p /run/postgresql /srv/postgres
chown postgres: /run/postgresql /srv/postgres
cd /
as="setpriv --reuid=postgres --regid=postgres --init-groups"
if [ ! -e /srv/postgres/PG_VERSION ]; then
	$as "$bin/initdb" -D /srv/postgres -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N >/dev/null
	echo "host all all all trust" >>/srv/postgres/pg_hba.conf
fi
exec $as "$bin/postgres" -D /srv/postgres -c listen_addresses='*' -c max_connections=200 "$@"
END
chmod 755 "$work/root/usr/local/bin/claviger-postgres"

say "imports $image"
tar -C "$work/root" -c . | docker import \
	--change 'ENTRYPOINT ["/usr/local/bin/claviger-postgres"]' \
	--change 'EXPOSE 5432' \
	- "$image" >/dev/null
say "$image is ready"
