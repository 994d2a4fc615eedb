#!/bin/bash
# Runs every fuzz target of the repository for FUZZTIME.
set -euo pipefail
cd "$(dirname "$0")/../.."

found=0
while IFS=: read -r file target; do
	found=1
	echo "fuzz: $target in $(dirname "$file")"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -parallel 2 "./$(dirname "$file")"
done < <(grep -rEo '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed 's/:func /:/; s|^\./||' | sort)
[ "$found" = 1 ] || { echo "fuzz: no target was found" >&2; exit 1; }
