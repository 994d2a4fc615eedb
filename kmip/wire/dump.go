package wire

import (
	"fmt"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
)

// Dump prints a message for people: one line an item, names instead of numbers,
// texts quoted. It is for trees that Parse made or that are ours.
//
// Secrets: Byte Strings and Big Integers appear by their length only, unless
// the tag is known to be public; Key Value, Key Material, passwords and what
// is under them, and values under unknown tags, not at all.
func Dump(item kmip.Item) string {
	var b strings.Builder
	dump(&b, &item, 0)
	return b.String()
}

const redacted = "[redacted]"

// hidden lists what is not printed whatever its type, nor what is under it.
var hidden = map[kmip.Tag]bool{
	kmip.TagKeyValue:               true,
	kmip.TagKeyMaterial:            true,
	kmip.TagPassword:               true,
	kmip.TagOneTimePassword:        true,
	kmip.TagServerHashedPassword:   true,
	kmip.TagHashedPassword:         true,
	kmip.TagSaltedPassword:         true,
	kmip.TagHashedUsernamePassword: true,
	kmip.TagHashedPasswordUsername: true,
	kmip.TagOTPSeed:                true,
	kmip.TagTicketValue:            true,
}

// public lists the Byte Strings that are printed in full.
var public = map[kmip.Tag]bool{
	kmip.TagUniqueBatchItemID:            true,
	kmip.TagIVCounterNonce:               true,
	kmip.TagNonceID:                      true,
	kmip.TagAuthenticatedEncryptionTag:   true,
	kmip.TagAsynchronousCorrelationValue: true,
	kmip.TagCorrelationValue:             true,
	kmip.TagDigestValue:                  true,
	kmip.TagShortUniqueIdentifier:        true,
	kmip.TagCertificateValue:             true,
	kmip.TagCertificateSerialNumber:      true,
	kmip.TagIssuerDistinguishedName:      true,
	kmip.TagSubjectDistinguishedName:     true,
	kmip.TagX509CertificateIdentifier:    true,
	kmip.TagCertificateSubjectDN:         true,
	kmip.TagCertificateIssuerDN:          true,
}

func dump(b *strings.Builder, item *kmip.Item, depth int) {
	fmt.Fprintf(b, "%*s%s (%s)", 2*depth, "", item.Tag, item.Type)
	if hidden[item.Tag] {
		b.WriteString(": " + redacted + "\n")
		return
	}
	if item.Type == kmip.TypeStructure {
		b.WriteString("\n")
		for i := range item.Items {
			dump(b, &item.Items[i], depth+1)
		}
		return
	}
	fmt.Fprintf(b, ": %s\n", value(item))
}

// value prints the value of an item that is not a structure.
func value(item *kmip.Item) string {
	if !item.Tag.Known() {
		return redacted
	}
	switch item.Type {
	case kmip.TypeInteger:
		if names := kmip.MaskNames(item.Tag, item.Uint32()); isMask(item.Tag) {
			return strings.Join(names, " ")
		}
		return fmt.Sprint(item.Int)
	case kmip.TypeEnumeration:
		return kmip.EnumName(item.Tag, item.Uint32())
	case kmip.TypeBoolean:
		return fmt.Sprint(item.Bool())
	case kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		return item.Time().Format(time.RFC3339Nano)
	case kmip.TypeInterval:
		return fmt.Sprintf("%d s", item.Int)
	case kmip.TypeByteString, kmip.TypeBigInteger:
		if public[item.Tag] {
			return fmt.Sprintf("%x", item.Bytes)
		}
		return fmt.Sprintf("%s %d bytes", redacted, len(item.Bytes))
	case kmip.TypeTextString, kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		return fmt.Sprintf("%q", item.Bytes)
	default:
		return fmt.Sprint(item.Int)
	}
}

// isMask reports whether the Integers of a tag are bit masks.
func isMask(tag kmip.Tag) bool { return strings.HasSuffix(kmip.EnumOf(tag), " Mask") }
