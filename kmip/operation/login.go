package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func login(ctx context.Context, c *call, r *payload.LoginRequest) (*payload.LoginResponse, error) {
	args, err := loginArgs(r.LeaseTime, r.RequestCount, r.UsageLimits)
	if err != nil {
		return nil, refused(ctx, c, kmip.OperationLogin, err)
	}
	value, err := c.server.Custody.Login(ctx, c.scope, args)
	if err != nil {
		return nil, err
	}
	return &payload.LoginResponse{Ticket: ticketItem(value)}, nil
}

// loginArgs reads what a ticket is to be bounded by. A Lease Time is an Interval
// or a date; none, or 0, is as long as the server grants.
func loginArgs(lease *kmip.Item, count *int32, limits *kmip.Item) (custody.LoginArgs, error) {
	var a custody.LoginArgs
	if lease != nil {
		switch lease.Type {
		case kmip.TypeInterval:
			a.Lease = lease.Duration()
		case kmip.TypeDateTime, kmip.TypeDateTimeExtended:
			a.Until = lease.Time()
		default:
			return a, kmip.Fail(kmip.KindInvalidMessage, "Lease Time is an Interval or a date")
		}
	}
	if count != nil {
		a.Count = *count
	}
	if limits != nil {
		l := kmip.UsageLimitsOf(*limits)
		a.Limits = &l
	}
	return a, nil
}

func ticketItem(value []byte) *kmip.Item {
	i := kmip.Structure(kmip.TagTicket, kmip.Enumeration(kmip.TagTicketType, kmip.TicketTypeLogin), kmip.ByteString(kmip.TagTicketValue, value))
	return &i
}
