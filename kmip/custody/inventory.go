package custody

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Summary is what administrators and reports see of an object: never its value.
type Summary struct {
	Domain       string
	UID          string
	Names        []string
	Type         kmip.ObjectType
	Algorithm    kmip.CryptographicAlgorithm // 0: none
	LengthBits   int32
	State        kmip.State // effective
	UsageMask    kmip.CryptographicUsageMask
	Groups       []string
	Creator      string
	Initial      time.Time
	Activation   time.Time
	Deactivation time.Time
	Destroyed    time.Time
	Sensitive    bool
	Extractable  bool
	// Due is when the waiting period of a destruction ends; only Key tells it.
	Due time.Time
}

// Keys lists objects of the scope's domain, newest first, behind a position;
// destroyed ones are among them. It returns the position to go on from, nil at
// the end.
func (s *Service) Keys(ctx context.Context, sc *Scope, name string, after *store.Position, limit int) ([]Summary, *store.Position, error) {
	var list []Summary
	var next *store.Position
	err := s.administer(ctx, sc, policy.ActionKeyList, "", func() (store.Change, error) {
		q := store.Query{After: after, Limit: limit}
		if name != "" {
			q.Names = []string{name}
		}
		var err error
		list, next, err = s.summaries(ctx, sc, q)
		return store.Change{}, err
	})
	return list, next, err
}

// Key shows one object of the scope's domain: the summary and all attributes.
func (s *Service) Key(ctx context.Context, sc *Scope, uid string) (Summary, kmip.Attributes, error) {
	var sum Summary
	var attrs kmip.Attributes
	err := s.do(ctx, sc, policy.ActionKeyShow, func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, policy.ActionKeyShow, uid)
		if err != nil {
			return o, err
		}
		sum, attrs = m.summary(), m.view()
		if m.destroyed() {
			sum.Due, err = s.dueOf(ctx, m)
		}
		return o, err
	})
	return sum, attrs, err
}

// Inventory passes every object of the given domains to each, newest first,
// and records one audit entry for the whole report.
func (s *Service) Inventory(ctx context.Context, sc *Scope, domains []string, each func(Summary) error) error {
	return s.administer(ctx, sc, policy.ActionReportRun, "", func() (store.Change, error) {
		for _, d := range domains {
			inner := sc.in(d)
			q := store.Query{Limit: findPage}
			for {
				page, next, err := s.summaries(ctx, inner, q)
				if err != nil {
					return store.Change{}, err
				}
				for _, sum := range page {
					if err := each(sum); err != nil {
						return store.Change{}, err
					}
				}
				if next == nil {
					break
				}
				q.After = next
			}
		}
		return store.Change{}, nil
	})
}

func (s *Service) summaries(ctx context.Context, sc *Scope, q store.Query) ([]Summary, *store.Position, error) {
	rows, err := sc.reader.Find(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	list := make([]Summary, 0, len(rows))
	for _, row := range rows {
		m, err := read(row, sc.Now)
		if err != nil {
			s.log.ErrorContext(ctx, "stored attributes are damaged", "uid", row.UID, "error", err)
			continue
		}
		list = append(list, m.summary())
	}
	if len(rows) < q.Limit {
		return list, nil, nil
	}
	last := rows[len(rows)-1]
	return list, &store.Position{Initial: last.Initial, UID: last.UID}, nil
}

func (m *managed) summary() Summary {
	sum := Summary{
		Domain: m.row.Domain, UID: m.row.UID, Names: m.attrs.Names(), Type: m.objectType(),
		Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), LengthBits: m.row.LengthBits, State: m.state,
		UsageMask: kmip.CryptographicUsageMask(m.row.UsageMask), Creator: m.row.Creator, Initial: m.row.Initial,
		Activation: m.row.Activation, Deactivation: m.row.Deactivation, Destroyed: m.row.Destroyed,
		Sensitive: m.attrs.Bool(kmip.TagSensitive), Extractable: m.attrs.Bool(kmip.TagExtractable),
	}
	for _, g := range m.attrs.Instances(kmip.AttributeID{Tag: kmip.TagObjectGroup}) {
		sum.Groups = append(sum.Groups, g.Value.Text())
	}
	return sum
}
