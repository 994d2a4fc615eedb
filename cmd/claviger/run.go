package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// Exit codes, a contract with scripts.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a wrong use of the command line: exit code 2.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// run runs the command line, without the name of the program. It uses nothing
// of the process but the streams that it is given.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	app := newApp(stdin, stdout, stderr)
	sorted, err := sortArguments(app, args)
	if err != nil {
		return err
	}
	return app.RunContext(ctx, append([]string{app.Name}, sorted...))
}

// exitCode reports the error of run and turns it into the exit code.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(stderr, "claviger: %s\n", strings.TrimSuffix(err.Error(), "\n"))
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name: "claviger", HelpName: "claviger", Usage: "a KMIP key management appliance",
		Reader: stdin, Writer: stdout, ErrWriter: stderr,
		HideVersion: true, HideHelpCommand: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "context", Usage: "`FILE` that says which server to administer, and as whom", EnvVars: []string{"CLAVIGER_CONTEXT"}},
			&cli.StringFlag{Name: "because", Usage: "`TEXT` for those who have to approve what is asked"},
			&cli.StringFlag{Name: "output", Usage: "`FORM` of answers: table or json", Value: "table"},
		},
		Before: func(c *cli.Context) error {
			if o := c.String("output"); o != "table" && o != "json" {
				return usagef("--output is %q; it is table or json", o)
			}
			return nil
		},
		Commands: []*cli.Command{
			devCommand(), initCommand(), serveCommand(),
			statusCommand(), domainCommand(), clientCommand(), trustCommand(), userCommand(), policyCommand(), roleCommand(), groupCommand(), suiteCommand(), keyPolicyCommand(),
			approvalCommand(), administratorCommand(), breakGlassCommand(), loginCommand(), logoutCommand(), rootCommand(), jobCommand(), unsealCommand(), keyCommand(), auditCommand(), reportCommand(),
			kmipCommand(), versionCommand(), workerCommand(),
		},
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usagef("%s", err) },
		ExitErrHandler: func(*cli.Context, error) {}, // exitCode does
	}
	quiet(app.Commands)
	return app
}

// quiet makes every command leave errors to run, and takes away the command
// "help", which would swallow an argument of that name.
func quiet(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand = true
		c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usagef("%s", err) }
		quiet(c.Subcommands)
	}
}
