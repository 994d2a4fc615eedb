package custody

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Period is a time span in whole seconds, or Never. Its text has one unit: s, m, h, d
// (24 hours), w, or y (365 days); "now" is 0.
type Period int64

// Never is no period at all: it takes away what a less specific policy says.
const Never Period = -1

var units = []struct {
	name    string
	seconds int64
}{{"y", 365 * 86400}, {"w", 7 * 86400}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}

// Duration is the period; 0 for Never.
func (p Period) Duration() time.Duration { return time.Duration(max(p, 0)) * time.Second }

// maxPeriod is what a Duration can hold, less than 292 years.
const maxPeriod = math.MaxInt64 / int64(time.Second)

// ParsePeriod reads the text of a period.
func ParsePeriod(text string) (Period, error) {
	switch text {
	case "never":
		return Never, nil
	case "now":
		return 0, nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > maxPeriod/u.seconds {
			break
		}
		return Period(n * u.seconds), nil
	}
	return 0, fmt.Errorf("%q is no period; write a number with s, m, h, d, w or y, such as 90d, or never", text)
}

// String writes a period as ParsePeriod reads it.
func (p Period) String() string {
	switch {
	case p < 0:
		return "never"
	case p == 0:
		return "now"
	}
	for _, u := range units {
		if int64(p)%u.seconds == 0 && u.name != "w" {
			return strconv.FormatInt(int64(p)/u.seconds, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(p), 10) + "s"
}

// MarshalText implements encoding.TextMarshaler.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Period) UnmarshalText(text []byte) error {
	v, err := ParsePeriod(string(text))
	*p = v
	return err
}
