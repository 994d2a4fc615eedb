# To be sourced: sets mirror, suite and keyring for debootstrap. The caller has
# a function die.

# The first Debian mirror that apt uses here, with its suite and keyring, in
# either form of source lists.
mirror= suite= keyring=
for list in /etc/apt/sources.list.d/*.sources; do
	[ -z "$mirror" ] && [ -e "$list" ] || continue
	found=$(awk 'BEGIN { RS = ""; FS = "\n" }
		{
			types = uris = suites = signed = ""
			for (i = 1; i <= NF; i++) {
				split($i, f, /[ \t]+/)
				if ($i ~ /^Types:/) types = $i
				if ($i ~ /^URIs:/) uris = f[2]
				if ($i ~ /^Suites:/) suites = f[2]
				if ($i ~ /^Signed-By:/) signed = f[2]
			}
			if (types ~ /deb( |$)/ && uris ~ /\/debian\/?$/ && suites !~ /-(security|updates|backports)/) {
				print uris, suites, signed
				exit
			}
		}' "$list")
	[ -z "$found" ] || { set -- $found; mirror=$1 suite=$2 keyring=${3:-}; }
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ -z "$mirror" ] && [ -e "$list" ] || continue
	found=$(sed -n 's/^deb[ \t][ \t]*//p' "$list" | awk '{
			signed = ""
			if ($1 ~ /^\[/) {
				while (1) {
					if ($1 ~ /signed-by=/) { signed = $1; sub(/.*signed-by=/, "", signed); sub(/\].*/, "", signed) }
					last = ($1 ~ /\]$/)
					sub(/^[^ \t]+[ \t]+/, "")
					if (last) break
				}
			}
			if ($1 ~ /\/debian\/?$/ && $2 !~ /-(security|updates|backports)/) { print $1, $2, signed; exit }
		}')
	[ -z "$found" ] || { set -- $found; mirror=$1 suite=$2 keyring=${3:-}; }
done
[ -n "$mirror" ] || die "no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d"
[ -f "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keyring" ] || die "no keyring for $mirror: install debian-archive-keyring"
