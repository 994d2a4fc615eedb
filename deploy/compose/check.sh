#!/bin/bash
# Proves docker-compose.yml: starts it under a project of its own, makes a key
# through the load balancer, stops one node and then the other, each time reads
# the key, and takes everything down. Needs the images (docs/operating.md) and
# bin/claviger.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CLAVIGER_KMIP_PORT=${CLAVIGER_KMIP_PORT:-25696} CLAVIGER_HTTPS_PORT=${CLAVIGER_HTTPS_PORT:-25697}
project=claviger-check-$$
if docker compose version >/dev/null 2>&1; then compose=(docker compose -p "$project"); else compose=(docker-compose -p "$project"); fi
work=$(mktemp -d)
finish() {
	status=$?
	[ $status = 0 ] || "${compose[@]}" logs --tail=40 || :
	"${compose[@]}" down -v >/dev/null 2>&1 || :
	rm -rf "$work"
	exit $status
}
trap finish EXIT

wait_for() {
	for _ in $(seq 60); do
		if "$@"; then return; fi
		sleep 1
	done
	echo "check: $* was never true" >&2
	return 1
}
ready() { curl -sfk "https://127.0.0.1:$CLAVIGER_HTTPS_PORT/health" >/dev/null; }
kmip() {
	local verb=$1
	shift
	bin/claviger kmip "$verb" "$@" --server "127.0.0.1:$CLAVIGER_KMIP_PORT" --ca "$work/pki/ca.pem" \
		--cert "$work/demo/cert.pem" --key "$work/demo/key.pem"
}

"${compose[@]}" up -d
wait_for ready
node=$("${compose[@]}" ps -q node1)
docker cp "$node:/var/lib/claviger/pki" "$work/pki" >/dev/null
sed -i "s|^address = .*|address = \"https://127.0.0.1:$CLAVIGER_HTTPS_PORT\"|" "$work/pki/admin.toml"
bin/claviger --context "$work/pki/admin.toml" client create demo --out "$work/demo" >/dev/null
uid=$(kmip create --algorithm AES --length 256 --name proof | grep -oE '[0-9a-f]{8}-[0-9a-f-]{27}' | head -n 1)
echo "check: $uid was made through the load balancer"
for stopped in node1 node2; do
	"${compose[@]}" stop "$stopped" >/dev/null 2>&1
	[ "$(docker inspect --format '{{.State.ExitCode}}' "$("${compose[@]}" ps -q "$stopped" 2>/dev/null || :)" 2>/dev/null || echo 0)" = 0 ] ||
		{ echo "check: $stopped did not end with 0" >&2; exit 1; }
	sleep 3 # two failed checks of the load balancer
	for _ in 1 2 3 4; do kmip get "$uid" >/dev/null 2>&1; done
	echo "check: the key is there without $stopped"
	"${compose[@]}" start "$stopped" >/dev/null 2>&1
	sleep 4
done
echo "check: passed"
