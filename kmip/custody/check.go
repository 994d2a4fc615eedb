package custody

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
)

// CheckQuery is the use that Check asks about; nil fields are not asked.
type CheckQuery struct {
	UsageCount *int64
	UsageMask  *kmip.CryptographicUsageMask
	LeaseTime  *time.Duration
}

// Check tells whether an object may be used as asked (§6.1.7). It takes nothing.
func (s *Service) Check(ctx context.Context, sc *Scope, uid string, q CheckQuery) error {
	return s.do(ctx, sc, "Check", func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, "Check", uid)
		if err != nil {
			return o, err
		}
		if m.destroyed() {
			return o, kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
		}
		if m.objectType() == kmip.ObjectTypeTemplate {
			return o, kmip.Fail(kmip.KindObjectType, "a template has no use that could be checked")
		}
		if q.UsageMask != nil && kmip.CryptographicUsageMask(m.row.UsageMask)&*q.UsageMask != *q.UsageMask {
			return o, kmip.Fail(kmip.KindUsageMask, "the Cryptographic Usage Mask does not allow it")
		}
		if q.LeaseTime != nil {
			lease, ok := m.attrs.Get(kmip.TagLeaseTime)
			if ok && lease.Int != 0 && *q.LeaseTime > lease.Duration() {
				return o, kmip.Fail(kmip.KindLeaseRefused, "no lease is granted for that long")
			}
		}
		if q.UsageCount != nil && m.attrs.Has(kmip.TagUsageLimits) {
			if c := m.row.Counter; c.HasUsage && c.UsageLeft < *q.UsageCount {
				return o, kmip.Fail(kmip.KindUsageLimit, "the Usage Limits do not suffice")
			}
		}
		return o, nil
	})
}
