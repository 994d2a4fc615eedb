package api

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
)

// Print writes the value of an attribute for people: names instead of numbers,
// structures as "Field: value" in braces. Attributes hold no key material.
func Print(i kmip.Item) string {
	switch i.Type {
	case kmip.TypeStructure:
		parts := make([]string, 0, len(i.Items))
		for _, f := range i.Items {
			parts = append(parts, f.Tag.String()+": "+Print(f))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case kmip.TypeEnumeration:
		if i.Tag.Known() {
			return kmip.EnumName(i.Tag, i.Uint32())
		}
	case kmip.TypeInteger:
		if strings.HasSuffix(kmip.EnumOf(i.Tag), " Mask") {
			return strings.Join(kmip.MaskNames(i.Tag, i.Uint32()), " ")
		}
	case kmip.TypeBoolean:
		return fmt.Sprint(i.Bool())
	case kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		return i.Time().Format(time.RFC3339Nano)
	case kmip.TypeInterval:
		return i.Duration().String()
	case kmip.TypeByteString, kmip.TypeBigInteger:
		return hex.EncodeToString(i.Bytes)
	case kmip.TypeTextString, kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		return i.Text()
	case kmip.TypeLongInteger:
	}
	return fmt.Sprint(i.Int)
}
