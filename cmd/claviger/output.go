package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

func wantsJSON(c *cli.Context) bool { return c.String("output") == "json" }

func printJSON(c *cli.Context, v any) error {
	e := json.NewEncoder(c.App.Writer)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func printLine(c *cli.Context, format string, args ...any) error {
	_, err := fmt.Fprintf(c.App.Writer, format+"\n", args...)
	return err
}

// note tells people something that is no part of the answer.
func note(c *cli.Context, format string, args ...any) {
	_, _ = fmt.Fprintf(c.App.ErrWriter, format+"\n", args...)
}

// printTable prints v as JSON when that is wanted, else the rows.
func printTable(c *cli.Context, v any, header []string, rows [][]string) error {
	if wantsJSON(c) {
		return printJSON(c, v)
	}
	t := tabwriter.NewWriter(c.App.Writer, 0, 0, 3, ' ', 0)
	for n, h := range header {
		header[n] = strings.ToUpper(h)
	}
	for _, r := range append([][]string{header}, rows...) {
		if _, err := fmt.Fprintln(t, line(r)); err != nil {
			return err
		}
	}
	return t.Flush()
}

// line joins the cells of a row; a cell that is empty is a dash, so that every
// row has the same number of words for tools that count them.
func line(row []string) string {
	cells := make([]string, len(row))
	for n, s := range row {
		if cells[n] = printable(s); cells[n] == "" {
			cells[n] = "-"
		}
	}
	return strings.Join(cells, "\t")
}

// printable takes out of a text what a terminal would obey: names come from
// clients.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func stampOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

// terminal returns the descriptor of a stream that is a terminal.
func terminal(r io.Reader) (int, bool) {
	f, ok := r.(*os.File)
	if !ok {
		return 0, false
	}
	fd := int(f.Fd())
	return fd, term.IsTerminal(fd)
}
