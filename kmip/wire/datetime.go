package wire

import (
	"bytes"
	"time"
)

// parseDateTime reads a Date-Time in seconds or a Date-Time Extended in
// microseconds: ISO 8601 as XML Schema has it (§4.1.6.11), or the number in
// hexadecimal; a Date-Time Extended also as a decimal number. A time without
// zone is UTC. What is finer than the type is cut off.
func parseDateTime(v []byte, f form, extended bool) (int64, bool) {
	v = bytes.Trim(v, space)
	if n, ok := parseHex(v, 64); ok && f == formString && len(v) == 18 {
		return int64(n), true //nolint:gosec // two's complement
	}
	if extended && (f == formString || f == formNumber) {
		if n, ok := parseSigned(v, 64); ok {
			return n, true
		}
	}
	if f != formString || len(v) > len("2006-01-02T15:04:05.999999999999+00:00") {
		return 0, false
	}
	t, ok := parseISO(string(v))
	if extended {
		return t.UnixMicro(), ok
	}
	return t.Unix(), ok
}

// parseISO reads yyyy-mm-ddThh:mm:ss, a fraction and a zone or none.
func parseISO(s string) (time.Time, bool) {
	const local = "2006-01-02T15:04:05"
	if len(s) < len(local) {
		return time.Time{}, false
	}
	layout := local
	switch end := s[len(s)-1]; {
	case end == 'Z', len(s) > len(local) && s[len(s)-3] == ':':
		layout += "Z07:00"
	case end < '0' || end > '9':
		return time.Time{}, false
	}
	t, err := time.Parse(layout, s) // takes a fraction anywhere after the seconds
	return t, err == nil && t.Year() > 0
}

// formatDateTime writes a time as ISO 8601 where the year has four digits, and
// otherwise says that it cannot.
func formatDateTime(t time.Time, extended bool) (string, bool) {
	if y := t.Year(); y < 1 || y > 9999 {
		return "", false
	}
	if extended {
		return t.Format("2006-01-02T15:04:05.000000Z07:00"), true
	}
	return t.Format("2006-01-02T15:04:05Z07:00"), true
}
