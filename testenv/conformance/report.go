package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip"
)

// Run is one run of the cases.
type Run struct {
	Store   string // SQLite
	Results []Result
}

// Offer is what the server lists in Query.
type Offer struct {
	Operations  []kmip.Operation
	ObjectTypes []kmip.ObjectType
}

// Report is what docs/conformance.md says.
type Report struct {
	Runs  []Run
	Cases []Case
	Offer map[kmip.Version]Offer
	Wrong map[string]string // reasons, by case
}

// Markdown writes the page. The same results give the same text.
func (r Report) Markdown() string {
	var b strings.Builder
	b.WriteString(`<!-- Written by ` + "`make conformance-report`" + `; what is changed by hand is lost. -->

# Conformance

` + "`make conformance CONFORMANCE_DIR=…`" + ` starts an empty server and replays the OASIS
KMIP profile test cases of that folder: over mutual TLS, and over HTTPS in TTLV,
XML and JSON where a case asks for that. There are no cases for KMIP 1.3 and
2.0; clients that others wrote try those versions.

`)
	r.versions(&b)
	r.stores(&b)
	b.WriteString("\n## Profiles\n\nCases that pass, of those that were run.\n\n")
	r.profiles(&b)
	b.WriteString(`
## Operations

How many of the cases pass that use an operation; "yes" where the server has it
and no case uses it. An empty cell is an operation that the version does not
have, or that is not there.

`)
	r.matrix(&b, "Operation", r.operations())
	b.WriteString("\n## Object types\n\nLikewise, by the objects that a case makes, registers, looks for or gets.\n\n")
	r.matrix(&b, "Object type", r.objectTypes())
	r.failures(&b)
	r.wrong(&b)
	b.WriteString(`
The names of the cases that pass are in
[conformance-baseline.txt](conformance-baseline.txt); continuous integration
fails when one of them fails.
`)
	return b.String()
}

// first is the run that the tables show: all are the same but for what stores
// lists.
func (r Report) first() []Result { return r.Runs[0].Results }

type count struct{ pass, fail, skip int }

func (c *count) add(status string) {
	switch status {
	case "PASS":
		c.pass++
	case "SKIP":
		c.skip++
	default:
		c.fail++
	}
}

func (c count) String() string {
	if c.pass+c.fail == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", c.pass, c.pass+c.fail)
}

func (r Report) versions(b *strings.Builder) {
	counts := map[string]*count{}
	for _, result := range r.first() {
		for _, v := range []string{result.Version, "all"} {
			if counts[v] == nil {
				counts[v] = &count{}
			}
			counts[v].add(result.Status)
		}
	}
	b.WriteString("| KMIP | pass | fail | not run | total |\n|---|---:|---:|---:|---:|\n")
	for _, v := range slices.Sorted(maps.Keys(counts)) { // "all" sorts last
		c := counts[v]
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d |\n", v, c.pass, c.fail, c.skip, c.pass+c.fail+c.skip)
	}
	b.WriteString("\nNot run are alternative answers to one request, of which a server has only one.\n")
}

// stores says whether the runs agree, and where they do not.
func (r Report) stores(b *strings.Builder) {
	names := make([]string, len(r.Runs))
	for i, run := range r.Runs {
		names[i] = run.Store
	}
	if len(names) == 1 {
		fmt.Fprintf(b, "Run on %s.\n", names[0])
		return
	}
	status := map[string][]string{}
	for i, run := range r.Runs {
		for _, result := range run.Results {
			if status[result.Name] == nil {
				status[result.Name] = make([]string, len(r.Runs))
			}
			status[result.Name][i] = result.Status
		}
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(status)) {
		if s := status[name]; slices.ContainsFunc(s, func(one string) bool { return one != s[0] }) {
			lines = append(lines, "| "+name+" | "+strings.Join(s, " | ")+" |")
		}
	}
	on := strings.Join(names, " and on ")
	if len(lines) == 0 {
		fmt.Fprintf(b, "Every case has the same result on %s.\n", on)
		return
	}
	fmt.Fprintf(b, "The results on %s differ; the tables show those on %s.\n\n| Case | %s |\n|---|%s\n%s\n", on, names[0], strings.Join(names, " | "), strings.Repeat("---|", len(names)), strings.Join(lines, "\n"))
}

func (r Report) profiles(b *strings.Builder) {
	counts := map[string]map[string]*count{}
	seen := map[string]bool{}
	for _, result := range r.first() {
		seen[result.Version] = true
		if counts[result.Profile] == nil {
			counts[result.Profile] = map[string]*count{}
		}
		if counts[result.Profile][result.Version] == nil {
			counts[result.Profile][result.Version] = &count{}
		}
		counts[result.Profile][result.Version].add(result.Status)
	}
	versions := slices.Sorted(maps.Keys(seen))
	fmt.Fprintf(b, "| Profile | %s |\n|---|%s\n", strings.Join(versions, " | "), strings.Repeat("---:|", len(versions)))
	for _, profile := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "| %s |", profile)
		for _, v := range versions {
			text := ""
			if c := counts[profile][v]; c != nil {
				text = c.String()
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
}

// row is a line of a matrix: cells by version.
type row struct {
	name   string
	counts map[string]*count
	has    map[string]bool
}

// rows collects the lines of a matrix.
type rows map[uint32]*row

func (m rows) at(code uint32, name string) *row {
	if m[code] == nil {
		m[code] = &row{name, map[string]*count{}, map[string]bool{}}
	}
	return m[code]
}

func collect[T interface {
	~uint32
	String() string
}](r Report, ofCase func(Case) []T, ofOffer func(Offer) []T,
) rows {
	m := rows{}
	for v, offer := range r.Offer {
		for _, t := range ofOffer(offer) {
			m.at(uint32(t), t.String()).has[v.String()] = true
		}
	}
	results := map[string]Result{}
	for _, result := range r.first() {
		results[result.Name] = result
	}
	for _, c := range r.Cases {
		result, ok := results[c.Name]
		if !ok {
			continue
		}
		for _, t := range ofCase(c) {
			line := m.at(uint32(t), t.String())
			if line.counts[result.Version] == nil {
				line.counts[result.Version] = &count{}
			}
			line.counts[result.Version].add(result.Status)
		}
	}
	return m
}

func (r Report) operations() rows {
	return collect(r, func(c Case) []kmip.Operation { return c.Operations }, func(o Offer) []kmip.Operation { return o.Operations })
}

func (r Report) objectTypes() rows {
	return collect(r, func(c Case) []kmip.ObjectType { return c.ObjectTypes }, func(o Offer) []kmip.ObjectType { return o.ObjectTypes })
}

// matrix writes a table of lines by versions.
func (r Report) matrix(b *strings.Builder, title string, m rows) {
	versions := slices.Clone(kmip.Versions)
	slices.Sort(versions)
	fmt.Fprintf(b, "| %s |", title)
	for _, v := range versions {
		fmt.Fprintf(b, " %s |", v)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---:|", len(versions)))
	for _, code := range slices.Sorted(maps.Keys(m)) {
		line := m[code]
		fmt.Fprintf(b, "| %s |", line.name)
		for _, v := range versions {
			text := ""
			if c := line.counts[v.String()]; c != nil {
				text = c.String()
			}
			if text == "" && line.has[v.String()] {
				text = "yes"
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
}

// failures lists the cases that fail and should not.
func (r Report) failures(b *strings.Builder) {
	b.WriteString("\n## What fails\n\n")
	var lines []string
	for _, result := range r.first() {
		if _, wrong := r.Wrong[result.Name]; result.Status == "FAIL" && !wrong {
			where := result.Path
			if where == "" {
				where = result.Detail
			}
			lines = append(lines, fmt.Sprintf("| %s | `%s` | %s |", result.Name, where, cell(result.Expected)))
		}
	}
	if len(lines) == 0 {
		b.WriteString("Nothing.\n")
		return
	}
	b.WriteString("| Case | first difference | expected |\n|---|---|---|\n" + strings.Join(lines, "\n") + "\n")
}

// wrong lists the cases that no correct server passes.
func (r Report) wrong(b *strings.Builder) {
	b.WriteString("\n## Cases that cannot pass\n\n")
	if len(r.Wrong) == 0 {
		b.WriteString("None is known.\n")
		return
	}
	b.WriteString("What they ask for contradicts the specification.\n\n| Case | Reason |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.Wrong)) {
		fmt.Fprintf(b, "| %s | %s |\n", name, cell(r.Wrong[name]))
	}
}

// cell makes a text fit for a table.
func cell(s string) string {
	const longest = 120
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "\\|")), " ")
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return s
}
