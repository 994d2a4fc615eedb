package crypto

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// Whatever is asked, the answer is a result or a failure of a kind.
func TestAnythingHasAnAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := func(name string) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, name) }
		number := func(name string) *int32 {
			switch rapid.IntRange(0, 4).Draw(t, name+" given") {
			case 0:
				return ptr(rapid.Int32().Draw(t, name))
			case 1:
				return ptr(rapid.Int32Range(-1, 140).Draw(t, name))
			default:
				return nil
			}
		}
		key := rapid.OneOf(rapid.SampledFrom([]int{0, 8, 16, 24, 32, 48, 64}), rapid.IntRange(0, 70)).Draw(t, "key length")
		r := CipherRequest{
			Algorithm: kmip.CryptographicAlgorithm(rapid.Uint32Range(0, 0x38).Draw(t, "algorithm")),
			Key:       secret.New(rapid.SliceOfN(rapid.Byte(), key, key).Draw(t, "key")),
			Format:    kmip.KeyFormatType(rapid.Uint32Range(0, 9).Draw(t, "format")),
			Data:      small("data"), IV: small("iv"), AAD: small("aad"), Tag: small("tag"),
			Parameters: kmip.CryptographicParameters{
				BlockCipherMode:       kmip.BlockCipherMode(rapid.Uint32Range(0, 0x13).Draw(t, "mode")),
				PaddingMethod:         kmip.PaddingMethod(rapid.Uint32Range(0, 11).Draw(t, "padding")),
				HashingAlgorithm:      kmip.HashingAlgorithm(rapid.Uint32Range(0, 18).Draw(t, "hash")),
				IVLength:              number("IV length"),
				TagLength:             number("tag length"),
				FixedFieldLength:      number("fixed"),
				InvocationFieldLength: number("invocation"),
				CounterLength:         number("counter"),
				InitialCounterValue:   number("initial"),
			},
		}
		if rapid.Bool().Draw(t, "raw") {
			r.Format = 0
		}
		if rapid.Bool().Draw(t, "no fields") {
			p := &r.Parameters
			p.FixedFieldLength, p.InvocationFieldLength, p.CounterLength, p.PaddingMethod = nil, nil, nil, 0
		}
		failed := func(err error) {
			if err != nil && kmip.KindOf(err) == kmip.KindGeneral {
				t.Fatalf("no kind: %v", err)
			}
		}
		_, err := Encrypt(r)
		failed(err)
		_, err = Decrypt(r)
		failed(err)
		_, err = MAC(r)
		failed(err)
		_, err = Wrap(r, secret.Copy(r.Data))
		failed(err)
		_, err = Unwrap(r, r.Data)
		failed(err)
		for _, begin := range []func(CipherRequest) (Stream, error){
			func(r CipherRequest) (Stream, error) { s, _, err := EncryptStream(r); return s, err },
			DecryptStream, MACStream,
		} {
			s, err := begin(r)
			if failed(err); err != nil {
				continue
			}
			_, err = s.Update(r.Data)
			failed(err)
			_, err = s.Finish(r.AAD, r.Tag)
			failed(err)
		}
		_, err = Derive(DeriveRequest{
			Method: kmip.DerivationMethod(rapid.Uint32Range(0, 11).Draw(t, "method")), Algorithm: r.Algorithm, Key: r.Key, Parameters: r.Parameters,
			IV: r.IV, Data: r.Data, HasData: rapid.Bool().Draw(t, "has data"), Salt: r.AAD, Iterations: rapid.Int32Range(-1, 3).Draw(t, "iterations"),
			LengthBits: rapid.OneOf(rapid.Int32(), rapid.Int32Range(-1, 600)).Draw(t, "length"),
		})
		failed(err)
	})
}
