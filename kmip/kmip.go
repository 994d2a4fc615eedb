// Package kmip is the vocabulary of the Key Management Interoperability
// Protocol: tags, enumerations, versions, attributes, managed objects and the
// kinds of failure. Plain types, no input or output, nothing that depends on a
// version of the protocol; that is the business of package dialect.
//
// References to sections are to KMIP 2.1 unless another version is named.
package kmip

//go:generate go run ./internal/gen .
