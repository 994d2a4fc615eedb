package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// maxInput is the largest value that is read.
const maxInput = 1 << 20

// inputFlags say where a value comes from.
func inputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "in", Usage: "`FILE` to read; - is standard input", Value: "-"},
		&cli.StringFlag{Name: "data", Usage: "the value itself in `HEX`, instead of --in"},
	}
}

// readInput reads the value that inputFlags name.
func readInput(c *cli.Context) ([]byte, error) {
	if c.IsSet("data") {
		if c.IsSet("in") {
			return nil, usagef("--data and --in exclude each other")
		}
		return hexFlag(c, "data")
	}
	from := c.App.Reader
	if path := c.String("in"); path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("--in: %w", err)
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("--in: %w", err)
	}
	if len(b) > maxInput {
		clear(b)
		return nil, fmt.Errorf("--in: more than %d bytes", maxInput)
	}
	return b, nil
}

// hexFlag reads a flag in hexadecimal; nil when it is not there.
func hexFlag(c *cli.Context, name string) ([]byte, error) {
	if !c.IsSet(name) {
		return nil, nil
	}
	b, err := hex.DecodeString(strings.TrimSpace(c.String(name)))
	if err != nil {
		return nil, usagef("--%s is not hexadecimal", name) // the value stays out: it may be secret
	}
	return b, nil
}

// writeSecret writes a value to --out, which only its owner can read, or in
// hexadecimal to standard output.
func writeSecret(c *cli.Context, kind string, value []byte) error {
	if path := c.String("out"); path != "" {
		if err := writeFile(path, value, 0o600); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		return done(c, "%s of %d bytes written to %s", kind, len(value), path)
	}
	if wantsJSON(c) {
		return printJSON(c, map[string]string{"type": kind, "value": hex.EncodeToString(value)})
	}
	note(c, "%s of %d bytes in hexadecimal; it is on your screen now. --out FILE writes it to a file.", kind, len(value))
	return printLine(c, "%x", value)
}
