package operation

import (
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// withhold takes out of a response the Data that an ephemeral item is not to
// return (§8.3). Later items of the request can use it; it is overwritten with the
// request (forget).
func (c *call) withhold(how kmip.Ephemeral, r *payload.ResponseItem) {
	if how == 0 || r.Err != nil {
		return
	}
	if data := dataOf(r.Payload); data != nil {
		c.withheld = append(c.withheld, *data)
		*data = nil
	}
}

// dataOf is the field of a response that counts as Data (§11.13); nil when it has
// none.
func dataOf(p any) *[]byte {
	switch r := p.(type) {
	case *payload.EncryptResponse:
		return &r.Data
	case *payload.DecryptResponse:
		return &r.Data
	case *payload.HashResponse:
		return &r.Data
	case *payload.MACResponse:
		return &r.MACData
	case *payload.RNGRetrieveResponse:
		return &r.Data
	case *payload.SignResponse:
		return &r.SignatureData
	case *payload.SignatureVerifyResponse:
		return &r.Data
	}
	return nil
}

// forget overwrites what was withheld.
func (c *call) forget() {
	for _, b := range c.withheld {
		clear(b)
	}
}
