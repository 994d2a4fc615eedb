package kmip

import "fmt"

// Version is a protocol version (§9.16): the major number in the high byte,
// the minor number in the low byte, so that versions compare as numbers.
type Version uint16

// The versions that exist.
const (
	V10 Version = 0x0100
	V11 Version = 0x0101
	V12 Version = 0x0102
	V13 Version = 0x0103
	V14 Version = 0x0104
	V20 Version = 0x0200
	V21 Version = 0x0201
	V30 Version = 0x0300
)

// Versions lists the supported versions, the server's preference first.
var Versions = []Version{V30, V21, V20, V14, V13, V12, V11, V10}

// Major returns the major number.
func (v Version) Major() int { return int(v >> 8) }

// Minor returns the minor number.
func (v Version) Minor() int { return int(v & 0xff) }

// Supported reports whether the version is one of Versions.
func (v Version) Supported() bool {
	for _, s := range Versions {
		if s == v {
			return true
		}
	}
	return false
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) }

// ParseVersion reads a version such as "1.4". It returns false for one that
// does not exist.
func ParseVersion(s string) (Version, bool) {
	for _, v := range Versions {
		if v.String() == s {
			return v, true
		}
	}
	return 0, false
}
