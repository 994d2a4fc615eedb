package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

func TestSortArguments(t *testing.T) {
	app := newApp(strings.NewReader(""), io.Discard, io.Discard)
	for name, c := range map[string]struct{ args, want string }{
		"flags after the argument":               {"domain create x --output json", "--output=json domain create -- x"},
		"flags before the command":               {"--output json domain create x", "--output=json domain create -- x"},
		"global flag between commands":           {"domain --context=f create x", "--context=f domain create -- x"},
		"flags of the command before it":         {"client --out d create x", "client create --out=d -- x"},
		"flags of the command before all":        {"--out d client create x", "client create --out=d -- x"},
		"flag without value before argument":     {"key destroy --yes u", "key destroy --yes -- u"},
		"flag without value after argument":      {"key destroy u --yes", "key destroy --yes -- u"},
		"value that looks like a flag":           {"key list --name --yes", "key list --name=--yes --"},
		"one dash":                               {"key list -name n", "key list --name=n --"},
		"repeated flag":                          {"report inventory --domain a --domain b", "report inventory --domain=a --domain=b --"},
		"argument that looks like a flag":        {"domain create -- -x", "domain create -- -x"},
		"argument that is called like a flag":    {"domain create output", "domain create -- output"},
		"argument that is called like a command": {"domain create help", "domain create -- help"},
		"help anywhere":                          {"domain --help create", "domain create --help"},
		"help as a command":                      {"help domain create", "domain create --help"},
		"nothing is a question for help":         {"", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := sortArguments(app, strings.Fields(c.args))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.args, diff)
			}
		})
	}
}

func TestWrongUsageIsRefused(t *testing.T) {
	for name, args := range map[string]string{
		"unknown command":             "nonsense",
		"unknown subcommand":          "domain nonsense",
		"unknown flag":                "status --nonsense",
		"flag of another command":     "status --yes",
		"flag without its value":      "key list --name",
		"stray argument":              "domain list stray",
		"missing argument":            "domain create",
		"missing required flag":       "client create x",
		"group without command":       "key",
		"flag that is not a number":   "key list --limit x",
		"arguments behind two dashes": "domain list -- --output json",
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			err := run(context.Background(), strings.Fields(args), strings.NewReader(""), &stdout, &stderr)
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Fatalf("error = %v, want one of usage", err)
			}
			if code := exitCode(err, &stderr); code != exitUsage {
				t.Errorf("exit code %d", code)
			}
			if stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("stdout %q, stderr %q; want one line on stderr", &stdout, &stderr)
			}
		})
	}
}

// A flag that stands before its command is read by its name alone.
func TestFlagsOfOneNameTakeAValueEverywhereOrNowhere(t *testing.T) {
	takes := map[string]bool{}
	var walk func(path string, flags []cli.Flag, commands []*cli.Command)
	walk = func(path string, flags []cli.Flag, commands []*cli.Command) {
		for _, f := range flags {
			d, ok := f.(cli.DocGenerationFlag)
			if !ok {
				t.Fatalf("%s: flag %v does not say whether it takes a value", path, f.Names())
			}
			for _, n := range f.Names() {
				if before, ok := takes[n]; ok && before != d.TakesValue() {
					t.Errorf("%s: --%s takes a value here and not elsewhere, or the other way", path, n)
				}
				takes[n] = d.TakesValue()
			}
		}
		for _, c := range commands {
			walk(path+" "+c.Name, c.Flags, c.Subcommands)
		}
	}
	app := newApp(strings.NewReader(""), io.Discard, io.Discard)
	walk(app.Name, app.Flags, app.Commands)
}

func TestTerminalsAreNotObeyed(t *testing.T) {
	if got := printable("a\x1b[2Jb\n"); strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("got %q", got)
	}
}
