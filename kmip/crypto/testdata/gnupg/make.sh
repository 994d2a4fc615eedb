#!/bin/sh
# Makes the files of this folder with GnuPG 2.2. The tests read the files; run
# this only to add one.
set -eu
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'rm -rf "$GNUPGHOME"' EXIT
for kind in rsa2048 dsa2048 nistp384 ed25519; do
	gpg --batch --quiet --passphrase '' --quick-gen-key "$kind <$kind@example.net>" "$kind" cert never
	gpg --batch --quiet --export "$kind@example.net" >"$kind.pub"
done
gpg --batch --quiet --armor --export rsa2048@example.net >rsa2048.asc
gpg --batch --quiet --armor --export-secret-keys rsa2048@example.net >>rsa2048.asc
