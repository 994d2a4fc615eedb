package wire

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
)

// nested is a message of structures inside one another.
func nested(levels int) []byte {
	item := kmip.Structure(kmip.TagRequestMessage)
	for range levels - 1 {
		item = kmip.Structure(kmip.TagRequestMessage, item)
	}
	return Append(nil, item)
}

func TestParseLimits(t *testing.T) {
	flat := kmip.Structure(kmip.TagRequestMessage)
	for range 99 {
		flat.Items = append(flat.Items, kmip.ByteString(kmip.TagData, nil))
	}
	for _, c := range []struct {
		name    string
		b       []byte
		lim     Limits
		refused bool
	}{
		{"as deep as allowed", nested(32), DefaultLimits(), false},
		{"one level too deep", nested(33), DefaultLimits(), true},
		{"much too deep", nested(100_000), DefaultLimits(), true},
		{"as many items as allowed", Append(nil, flat), Limits{1 << 20, 32, 100}, false},
		{"one item too many", Append(nil, flat), Limits{1 << 20, 32, 99}, true},
		{"as large as allowed", Append(nil, flat), Limits{Size(flat), 32, 100}, false},
		{"one byte too large", Append(nil, flat), Limits{Size(flat) - 1, 32, 100}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.b, c.lim)
			if (err != nil) != c.refused {
				t.Errorf("error = %v, want refused = %v", err, c.refused)
			}
		})
	}
}

// A decoder that checks the inside of a structure once for the check and once
// for the walk doubles its work with each level; 26 levels would take seconds.
func TestParseTimeDoesNotGrowWithNesting(t *testing.T) {
	lim := DefaultLimits()
	lim.MaxDepth = 1 << 12
	b := nested(1 << 12)
	start := time.Now()
	if _, err := Parse(b, lim); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("4096 levels in %d bytes took %v", len(b), took)
	}
}

func TestParseAllocations(t *testing.T) {
	b := Append(nil, getRequest())
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := Parse(b, DefaultLimits()); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 3 {
		t.Errorf("Parse of a Get request: %v allocations, want 3 at most", allocs)
	}
}

func TestParseOfRefusedMessageAllocatesLittle(t *testing.T) {
	item := kmip.Structure(kmip.TagRequestMessage)
	for range 10_000 {
		item.Items = append(item.Items, kmip.Structure(kmip.TagBatchItem))
	}
	b := Append(nil, item)
	b[len(b)-5] = 0 // the type of the last item
	allocs := testing.AllocsPerRun(10, func() {
		var syntax *SyntaxError
		if _, err := Parse(b, DefaultLimits()); !errors.As(err, &syntax) {
			t.Fatalf("error = %v, want a SyntaxError", err)
		}
	})
	if allocs > 3 {
		t.Errorf("%v allocations, want 3 at most", allocs)
	}
}

func TestChildrenCannotGrowIntoTheirNeighbours(t *testing.T) {
	b := Append(nil, kmip.Structure(kmip.TagRequestMessage,
		kmip.Structure(kmip.TagRequestHeader, kmip.Integer(kmip.TagBatchCount, 1)),
		kmip.Structure(kmip.TagBatchItem, kmip.ByteString(kmip.TagUniqueBatchItemID, []byte{1}))))
	m, err := Parse(b, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	before := m.Clone()
	_ = append(m.Items[0].Items, kmip.Integer(kmip.TagBatchCount, 2))
	_ = append(m.Items[1].Items[0].Bytes, 0xff)
	if !m.Equal(before) || b[len(b)-7] != 0 {
		t.Error("appending to a part of the tree changed another part")
	}
}

// getRequest is a Get of KMIP 1.4 with what a careful client sends: about 400
// bytes.
func getRequest() kmip.Item {
	return kmip.Structure(kmip.TagRequestMessage,
		kmip.Structure(kmip.TagRequestHeader,
			kmip.Structure(kmip.TagProtocolVersion, kmip.Integer(kmip.TagProtocolVersionMajor, 1), kmip.Integer(kmip.TagProtocolVersionMinor, 4)),
			kmip.Integer(kmip.TagMaximumResponseSize, 65536),
			kmip.Text(kmip.TagClientCorrelationValue, "array-17/volume-0042/2026-11-23T20:15:00Z"),
			kmip.Structure(kmip.TagAuthentication,
				kmip.Structure(kmip.TagCredential,
					kmip.Enumeration(kmip.TagCredentialType, kmip.CredentialTypeUsernameAndPassword),
					kmip.Structure(kmip.TagCredentialValue, kmip.Text(kmip.TagUsername, "array-17"), kmip.Text(kmip.TagPassword, "correct horse battery")))),
			kmip.Integer(kmip.TagBatchCount, 1)),
		kmip.Structure(kmip.TagBatchItem,
			kmip.Enumeration(kmip.TagOperation, kmip.OperationGet),
			kmip.ByteString(kmip.TagUniqueBatchItemID, []byte{0, 0, 0, 1}),
			kmip.Structure(kmip.TagRequestPayload,
				kmip.Text(kmip.TagUniqueIdentifier, "0193598e-7ac2-7d3f-b2a4-3f1c5e6d7a8b"),
				kmip.Enumeration(kmip.TagKeyFormatType, kmip.KeyFormatTypeRaw))))
}

func claimed(n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{0x42, 0x00, 0x78, 0x01}, n)
}
