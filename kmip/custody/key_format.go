package custody

import (
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
)

// noKeyFormat refuses a Key Format Type where the key is not made by the server:
// it has the format that it has (§4.26).
func noKeyFormat(attrs kmip.Attributes) error {
	if attrs.Has(kmip.TagKeyFormatType) {
		return kmip.Fail(kmip.KindAttributeReadOnly, "Key Format Type is set by the server")
	}
	return nil
}

// inRequestedFormat brings a generated key into the Key Format Type that its
// creator asks for (§4.26), or that keys have by default. It returns the
// converted value too, nil when there is none, for the caller to destroy.
func inRequestedFormat(sc *Scope, n newborn) (newborn, *kmip.Object, error) {
	if !n.generated || n.value.Key == nil {
		n.attrs = slices.Clone(n.attrs).Remove(kmip.TagKeyFormatType) // a default of the domain
		return n, nil, nil
	}
	asked := kmip.KeyFormatType(n.attrs.Uint32(kmip.TagKeyFormatType))
	if asked != 0 {
		n.attrs = slices.Clone(n.attrs).Remove(kmip.TagKeyFormatType)
	} else if sc.Form != nil && sc.Form.DefaultFormats() {
		asked = defaultFormat(n.typ, n.algorithm)
	}
	if asked == 0 || asked == n.format {
		return n, nil, nil
	}
	converted, err := crypto.Convert(n.typ, n.value.Key, asked)
	if err != nil {
		return n, nil, err
	}
	value := *n.value
	block := *n.value.Key
	block.Format, block.Material, block.Transparent = converted.Format, converted.Bytes, converted.Transparent
	value.Key = &block
	n.value, n.format = &value, converted.Format
	return n, &value, nil
}
