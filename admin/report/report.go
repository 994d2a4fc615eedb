// Package report writes what auditors ask for: today the inventory of managed
// objects as CSV or JSON. It reads summaries from custody, which never hold
// key material, and takes any number of them: rows are kept in a temporary
// file until all are there, because the header has the totals and nothing may
// leave before the report has been recorded in the audit.
package report

import (
	"context"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
)

// Source passes every object of some domains to each. Custody.Inventory in the
// scope of an administrator is one.
type Source func(ctx context.Context, each func(custody.Summary) error) error

// Header says what a report is.
type Header struct {
	GeneratedAt time.Time `json:"generated_at"`
	GeneratedBy string    `json:"generated_by"` // "admin:root"
	Node        string    `json:"node"`
	Product     string    `json:"product"`
	Version     string    `json:"version"`
	// Protection says what protects the keys.
	Protection string   `json:"keys_protected_by"`
	Domains    []string `json:"domains"`
	Totals     Totals   `json:"totals"`
}

// Totals count the objects of a report.
type Totals struct {
	Objects int            `json:"objects"`
	ByState map[string]int `json:"by_state"`
	ByType  map[string]int `json:"by_type"`
}

// Root is a token that holds root keys, as far as a report speaks of it.
type Root struct {
	Kind     string // "software" or "pkcs11"
	Label    string // of the token
	Hardware bool   // whether the token says that it is hardware
	Vouched  bool   // whether the operator says so, and the token does not
	Unfit    bool   // whether its root keys are unfit and used all the same
}

// Protection is the sentence about the root of trust. It speaks of hardware only
// where the token does, or says that it is the operator's word.
func Protection(roots []Root) string {
	if len(roots) == 0 {
		return "the root of trust is not known: no token could be asked"
	}
	parts := make([]string, len(roots))
	for i, r := range roots {
		switch {
		case r.Kind == "software":
			parts[i] = "software root key: keys are protected by software only, no hardware security module"
		case r.Hardware:
			parts[i] = "root key in the PKCS#11 token " + quote(r.Label) + ", which declares itself hardware"
		case r.Vouched:
			parts[i] = "root key in the PKCS#11 token " + quote(r.Label) + ", which does not declare itself hardware; the operator does"
		default:
			parts[i] = "root key in the " + r.Kind + " token " + quote(r.Label) + ", which does not declare itself hardware"
		}
		if r.Unfit {
			parts[i] += "; WARNING: its root keys are extractable or serve two purposes, which the operator has accepted"
		}
	}
	return strings.Join(parts, "; and ")
}

func quote(label string) string { return `"` + label + `"` }

// Row is one object of an inventory.
type Row struct {
	Domain       string     `json:"domain"`
	UID          string     `json:"uid"`
	Names        []string   `json:"names"`
	Type         string     `json:"type"`
	Algorithm    string     `json:"algorithm,omitempty"`
	Bits         int32      `json:"bits,omitempty"`
	State        string     `json:"state"` // effective when the report was made
	Usage        []string   `json:"usage"`
	Created      time.Time  `json:"created"`
	Activation   *time.Time `json:"activation,omitempty"`
	Deactivation *time.Time `json:"deactivation,omitempty"`
	Destroyed    *time.Time `json:"destroyed,omitempty"`
	Creator      string     `json:"creator"`
	Sensitive    bool       `json:"sensitive"`
	Extractable  bool       `json:"extractable"`
}

func rowOf(s custody.Summary) Row {
	r := Row{
		Domain: s.Domain, UID: s.UID, Names: s.Names, Type: s.Type.String(), Bits: s.LengthBits, State: s.State.String(),
		Usage: kmip.MaskNames(kmip.TagCryptographicUsageMask, uint32(s.UsageMask)), Created: s.Initial.UTC(),
		Activation: date(s.Activation), Deactivation: date(s.Deactivation), Destroyed: date(s.Destroyed),
		Creator: s.Creator, Sensitive: s.Sensitive, Extractable: s.Extractable,
	}
	if s.Algorithm != 0 {
		r.Algorithm = s.Algorithm.String()
	}
	if r.Names == nil {
		r.Names = []string{}
	}
	if r.Usage == nil {
		r.Usage = []string{}
	}
	return r
}

func date(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// guard makes a cell harmless in a spreadsheet, where one that begins like a
// formula is run as one.
func guard(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
