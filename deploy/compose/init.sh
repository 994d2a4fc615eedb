#!/bin/sh
# Runs once before the nodes: a token with a random PIN on the volume that both
# share, and the installation in the store. Safe to repeat.
set -eu
umask 077
pin=/var/lib/claviger-tokens/pin
if [ ! -s "$pin" ]; then
	head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$pin.new"
	softhsm2-util --init-token --free --label claviger --pin "$(cat "$pin.new")" \
		--so-pin "$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')"
	mv "$pin.new" "$pin"
fi
n=0
until claviger init --config /etc/claviger/claviger.toml; do
	n=$((n + 1))
	[ "$n" -lt 60 ] || { echo "the store does not answer" >&2; exit 1; }
	sleep 1
done
