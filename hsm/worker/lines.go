package worker

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what a worker prints into the log.
const (
	maxLineBytes   = 1024
	linesPerPeriod = 50
	linesPeriod    = 10 * time.Second
)

// causes are how the runtime begins to tell why it ends: a signal in foreign code
// ends a Go program by exit status 2 and not by the signal.
var causes = []string{"SIG", "fatal error: ", "panic: "}

// lines is a writer that logs each line. Long lines are cut, and of too many
// lines only their number is logged.
type lines struct {
	log  *slog.Logger
	name string
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	cause   string     // the first line by which Go's runtime tells why it ends
	line    []byte
	cut     bool
	since   time.Time
	count   int
	dropped int
}

func newLines(log *slog.Logger, name string) *lines {
	return &lines{log: log, name: name, now: time.Now}
}

// Write implements io.Writer. It never fails.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := b; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		room := maxLineBytes - len(l.line)
		l.line = append(l.line, part[:min(len(part), room)]...)
		l.cut = l.cut || len(part) > room
		if whole {
			l.emit()
		}
		rest = after
	}
	return len(b), nil
}

// flush logs a last line without an end, and how many were dropped. It returns
// why the worker says that it ends, empty if it did not say.
func (l *lines) flush() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit()
	l.tellDropped()
	return l.cause
}

func (l *lines) emit() {
	line, cut := string(bytes.TrimRight(l.line, "\r")), l.cut
	l.line, l.cut = l.line[:0], false
	if line == "" {
		return
	}
	if l.cause == "" && slices.ContainsFunc(causes, func(c string) bool { return strings.HasPrefix(line, c) }) {
		l.cause = line
	}
	if now := l.now(); now.Sub(l.since) >= linesPeriod {
		l.tellDropped()
		l.since, l.count = now, 0
	}
	if l.count++; l.count > linesPerPeriod {
		l.dropped++
		return
	}
	l.log.Warn("the token worker printed", "token", l.name, "line", line, "cut", cut)
}

func (l *lines) tellDropped() {
	if l.dropped > 0 {
		l.log.Warn("the token worker printed too much", "token", l.name, "lines_dropped", l.dropped)
	}
	l.dropped = 0
}
