#!/bin/bash
# Runs every fuzz target of the repository for FUZZTIME, and those that read
# messages of peers, in each encoding, for PARSER_FUZZTIME.
set -euo pipefail
cd "$(dirname "$0")/../.."

FUZZTIME=${FUZZTIME:-10s}
PARSER_FUZZTIME=${PARSER_FUZZTIME:-$FUZZTIME}
parsers=(FuzzParse FuzzParseXML FuzzParseJSON) # of kmip/wire
missing=" ${parsers[*]} "
found=0
while IFS=: read -r file target; do
	found=1 time=$FUZZTIME
	if [ "$(dirname "$file")" = kmip/wire ] && [[ " ${parsers[*]} " == *" $target "* ]]; then
		time=$PARSER_FUZZTIME
		missing=${missing/ $target / }
	fi
	echo "fuzz: $target in $(dirname "$file") for $time"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s -parallel 2 "./$(dirname "$file")"
done < <(grep -rEo '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed 's/:func /:/; s|^\./||' | sort)
[ "$found" = 1 ] || { echo "fuzz: no target was found" >&2; exit 1; }
[ -z "${missing// /}" ] || { echo "fuzz: not found in kmip/wire:$missing" >&2; exit 1; }
