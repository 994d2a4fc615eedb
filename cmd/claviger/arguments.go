package main

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// sortArguments brings a command line into the one order that urfave/cli
// understands: global flags, commands, flags of the command, arguments. Flags
// may stand anywhere; what is not known, is missing or is too much is refused
// here, because the library drops it in silence.
func sortArguments(app *cli.App, args []string) ([]string, error) {
	s := sorter{app: app, commands: app.Commands}
	for len(args) > 0 && !s.rest {
		var err error
		if args, err = s.take(args); err != nil {
			return nil, err
		}
	}
	s.arguments = append(s.arguments, args...)
	return s.result()
}

type sorter struct {
	app      *cli.App
	path     []string       // of commands so far
	command  *cli.Command   // the last of path; nil at first
	commands []*cli.Command // that may follow
	rest     bool           // after --: arguments only

	global    []string // flags
	local     []string // flags of the command
	given     []string // names of local
	arguments []string
	help      bool
}

// take consumes what stands first.
func (s *sorter) take(args []string) ([]string, error) {
	first, rest := args[0], args[1:]
	switch {
	case first == "--":
		s.rest = true
		return rest, nil
	case len(first) > 1 && first[0] == '-':
		return s.flag(first, rest)
	case len(s.commands) == 0:
		s.arguments = append(s.arguments, first)
		return rest, nil
	case s.command == nil && first == "help":
		s.help = true
		return rest, nil
	}
	for _, c := range s.commands {
		if c.HasName(first) {
			s.path, s.command, s.commands = append(s.path, c.Name), c, c.Subcommands
			return rest, nil
		}
	}
	return nil, usagef("unknown command %q; %s lists the commands", strings.Join(append(s.path, first), " "), s.helpFor(s.path))
}

func (s *sorter) helpFor(path []string) string {
	return "`" + strings.Join(append([]string{s.app.Name}, path...), " ") + " --help`"
}

// flag consumes a flag and its value.
func (s *sorter) flag(first string, rest []string) ([]string, error) {
	name, value, hasValue := strings.Cut(strings.TrimLeft(first, "-"), "=")
	if name == "help" || name == "h" {
		s.help = true
		return rest, nil
	}
	f, list := findFlag(s.app.Flags, name), &s.global
	if f == nil {
		f, list = s.localFlag(name), &s.local
		s.given = append(s.given, name)
	}
	if f == nil {
		return nil, usagef("unknown flag --%s; %s lists the flags", name, s.helpFor(s.path))
	}
	if d, ok := f.(cli.DocGenerationFlag); ok && !d.TakesValue() {
		*list = append(*list, first)
		return rest, nil
	}
	if !hasValue {
		if len(rest) == 0 {
			return nil, usagef("--%s needs a value", name)
		}
		value, rest = rest[0], rest[1:]
	}
	*list = append(*list, "--"+name+"="+value)
	return rest, nil
}

// localFlag finds a flag of the command; while the command is not known yet,
// of any that may follow.
func (s *sorter) localFlag(name string) cli.Flag {
	if s.command != nil {
		if f := findFlag(s.command.Flags, name); f != nil {
			return f
		}
	}
	return findBelow(s.commands, name)
}

func findBelow(commands []*cli.Command, name string) cli.Flag {
	for _, c := range commands {
		if f := findFlag(c.Flags, name); f != nil {
			return f
		}
		if f := findBelow(c.Subcommands, name); f != nil {
			return f
		}
	}
	return nil
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// result checks the whole and puts it into order.
func (s *sorter) result() ([]string, error) {
	sorted := append(s.global, s.path...)
	if s.help || s.command == nil && len(s.local)+len(s.arguments) == 0 {
		return append(sorted, "--help"), nil
	}
	if len(s.commands) > 0 {
		var names []string
		for _, c := range s.commands {
			names = append(names, c.Name)
		}
		return nil, usagef("%s needs a command: %s", strings.Join(append([]string{s.app.Name}, s.path...), " "), strings.Join(names, ", "))
	}
	for _, name := range s.given {
		if findFlag(s.command.Flags, name) == nil {
			return nil, usagef("%s has no flag --%s; %s lists its flags", strings.Join(s.path, " "), name, s.helpFor(s.path))
		}
	}
	if err := s.required(); err != nil {
		return nil, err
	}
	if err := s.count(); err != nil {
		return nil, err
	}
	return append(append(append(sorted, s.local...), "--"), s.arguments...), nil
}

// required refuses a command without a flag that it needs.
func (s *sorter) required() error {
	for _, f := range s.command.Flags {
		r, ok := f.(cli.RequiredFlag)
		if !ok || !r.IsRequired() || slices.ContainsFunc(f.Names(), func(n string) bool { return slices.Contains(s.given, n) }) {
			continue
		}
		d, ok := f.(cli.DocGenerationFlag)
		if ok && slices.ContainsFunc(d.GetEnvVars(), func(n string) bool { return os.Getenv(n) != "" }) {
			continue
		}
		return usagef("%s needs --%s; %s tells more", strings.Join(s.path, " "), f.Names()[0], s.helpFor(s.path))
	}
	return nil
}

// count compares the arguments with ArgsUsage: one word for each argument, in
// brackets when it may be left out, with dots when there may be more of the last.
func (s *sorter) count() error {
	words := strings.Fields(s.command.ArgsUsage)
	if strings.HasSuffix(s.command.ArgsUsage, "...]") && len(s.arguments) >= len(words) {
		return nil
	}
	if len(s.arguments) > len(words) {
		return usagef("unexpected argument %q; %s shows what %s takes", s.arguments[len(words)], s.helpFor(s.path), strings.Join(s.path, " "))
	}
	for _, w := range words[len(s.arguments):] {
		if !strings.HasPrefix(w, "[") {
			return usagef("%s needs %s; %s tells more", strings.Join(s.path, " "), w, s.helpFor(s.path))
		}
	}
	return nil
}
