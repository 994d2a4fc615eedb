#!/bin/bash
# Runs every test, and takes a skip for want of a program as a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

require=postgres,softhsm,pykmip,ovh,swtpm,gcc
if docker version >/dev/null 2>&1; then
	if testenv/images/postgres/build.sh; then
		require+=,container
	else
		echo "test: a container engine answers, but there is no image: tests with containers may be skipped" >&2
	fi
fi
echo "test: CLAVIGER_TEST_REQUIRE=$require"
CLAVIGER_TEST_REQUIRE=$require go test -timeout 20m "$@" ./...
