package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

// input is what a cryptographic operation works with: the key, the data and
// which part of the operation it is.
type input struct {
	uid  string
	data []byte
	part custody.Part
}

// input resolves what a request names. A part of an operation that has begun
// needs no Unique Identifier: the Correlation Value says which key it is.
func (c *call) input(ctx context.Context, op kmip.Operation, key kmip.Reference, d payload.Data, correlation []byte, first, last *bool) (input, error) {
	in := input{part: partOf(correlation, first, last)}
	var err error
	if correlation == nil || key.Given() {
		if in.uid, err = resolve(ctx, c, op, key); err != nil {
			return in, err
		}
	}
	in.data, err = c.data(ctx, op, d)
	return in, err
}

func partOf(correlation []byte, first, last *bool) custody.Part {
	return custody.Part{Correlation: correlation, Init: first != nil && *first, Final: last != nil && *last}
}

// data resolves Data that is the result of an earlier item (§7.9): the last of
// an operation, or the nth of the response so far; a negative number counts back
// from the current item.
func (c *call) data(ctx context.Context, op kmip.Operation, d payload.Data) ([]byte, error) {
	if d.From == nil {
		return d.Bytes, nil
	}
	var n int
	switch d.From.Type {
	case kmip.TypeEnumeration:
		b, ok := c.lastData[kmip.DataEnumeration(d.From.Uint32())]
		if !ok {
			return nil, refused(ctx, c, op, kmip.Fail(kmip.KindInvalidField, "no earlier item of the request gave Data of %s", kmip.DataEnumeration(d.From.Uint32())))
		}
		return b, nil
	default:
		if n = int(d.From.Int); n < 0 {
			n += len(c.allData)
		}
	}
	if n < 0 || n >= len(c.allData) {
		return nil, refused(ctx, c, op, kmip.Fail(kmip.KindInvalidField, "the response has no Data %d", d.From.Int))
	}
	return c.allData[n], nil
}

// result remembers Data that an operation gave; an empty one is there too.
func (c *call) result(kind kmip.DataEnumeration, b []byte) []byte {
	b = present(b)
	if c.keepsData {
		if c.lastData == nil {
			c.lastData = map[kmip.DataEnumeration][]byte{}
		}
		c.lastData[kind] = b
		c.allData = append(c.allData, b)
	}
	return b
}
