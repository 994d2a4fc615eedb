package crypto

import (
	"crypto/x509/pkix"
	"encoding/asn1"

	"github.com/claviger/claviger/kmip"
)

// crmfMessage is CertReqMsg (RFC 4211 §3).
type crmfMessage struct {
	Request asn1.RawValue
	Proof   asn1.RawValue   `asn1:"optional"`
	Control []asn1.RawValue `asn1:"optional"`
}

// crmfRequest is CertRequest (RFC 4211 §5).
type crmfRequest struct {
	ID       asn1.RawValue
	Template asn1.RawValue
	Controls asn1.RawValue `asn1:"optional"`
}

// crmfProof is POPOSigningKey (RFC 4211 §4.1). Its input stands for a template
// that lacks the subject or the key: such requests are not read.
type crmfProof struct {
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// The tags of the fields of CertTemplate (RFC 4211 §5), which are implicit but
// for names, and of the signature in ProofOfPossession (§4).
const (
	crmfSubject   = 5
	crmfPublicKey = 6
	crmfSignature = 1
)

// parseCRMF reads CertReqMessages of one message.
func parseCRMF(der []byte) (RequestInfo, error) {
	var messages []asn1.RawValue
	if err := unmarshal(der, &messages); err != nil || len(messages) != 1 {
		return RequestInfo{}, errRequest(err)
	}
	var message crmfMessage
	var request crmfRequest
	var template []asn1.RawValue
	if err := unmarshal(messages[0].FullBytes, &message); err != nil {
		return RequestInfo{}, errRequest(err)
	}
	if err := unmarshal(message.Request.FullBytes, &request); err != nil {
		return RequestInfo{}, errRequest(err)
	}
	if err := unmarshal(request.Template.FullBytes, &template); err != nil {
		return RequestInfo{}, errRequest(err)
	}
	var subject, spki []byte
	for _, field := range template {
		if field.Class != asn1.ClassContextSpecific {
			return RequestInfo{}, errRequest(nil)
		}
		switch field.Tag {
		case crmfSubject: // explicit: a Name is a CHOICE
			subject = field.Bytes
		case crmfPublicKey:
			spki = sequence(field.Bytes)
		}
	}
	if subject == nil || spki == nil {
		return RequestInfo{}, errRequest(nil)
	}
	if message.Proof.Class != asn1.ClassContextSpecific || message.Proof.Tag != crmfSignature {
		return RequestInfo{}, kmip.Fail(kmip.KindInvalidField, "the request for a certificate is not signed with its own key")
	}
	var proof crmfProof
	if err := unmarshal(sequence(message.Proof.Bytes), &proof); err != nil {
		return RequestInfo{}, errRequest(err)
	}
	return checkRequest(der, subject, spki, proof.Algorithm, message.Request.FullBytes, proof.Signature)
}

// sequence gives the content of an implicitly tagged SEQUENCE its own tag back.
func sequence(content []byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	if err != nil {
		return nil
	}
	return der
}
