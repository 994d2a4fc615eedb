package crypto

import (
	"bytes"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func TestFieldsOfIV(t *testing.T) {
	type fields struct{ fixed, invocation, counter *int32 }
	with := func(m kmip.BlockCipherMode, f fields) kmip.CryptographicParameters {
		return kmip.CryptographicParameters{BlockCipherMode: m, FixedFieldLength: f.fixed, InvocationFieldLength: f.invocation, CounterLength: f.counter}
	}
	gcm, ctr, ccm := kmip.BlockCipherModeGCM, kmip.BlockCipherModeCTR, kmip.BlockCipherModeCCM
	n := ptr[int32]
	for _, c := range []struct {
		name       string
		parameters kmip.CryptographicParameters
		ivBytes    int
		refusal    kmip.Kind
	}{
		{"GCM with the fields of SP 800-38D", with(gcm, fields{n(32), n(64), n(32)}), 12, 0},
		{"GCM with fields of nothing", with(gcm, fields{n(0), n(0), n(0)}), 0, 0},
		{"GCM with more fields than IV", with(gcm, fields{n(64), n(64), nil}), 12, kmip.KindInvalidField},
		{"GCM with a field that overflows", with(gcm, fields{n(1<<31 - 1), n(1<<31 - 1), nil}), 12, kmip.KindInvalidField},
		{"GCM with a negative field", with(gcm, fields{n(-1), nil, nil}), 12, kmip.KindInvalidField},
		{"GCM with a counter that it does not have", with(gcm, fields{nil, nil, n(64)}), 12, kmip.KindParametersUnsupported},
		{"GCM whose invocations the server would count", with(gcm, fields{n(32), n(64), nil}), 0, kmip.KindParametersUnsupported},
		{"CTR with fields and a counter", with(ctr, fields{n(32), n(64), n(32)}), 16, 0},
		{"CTR with more fields than block", with(ctr, fields{n(64), n(64), n(32)}), 16, kmip.KindInvalidField},
		{"CTR with a counter alone", with(ctr, fields{nil, nil, n(64)}), 0, 0},
		{"CTR with a counter of a block", with(ctr, fields{nil, nil, n(128)}), 0, 0},
		{"CTR with a counter of more than a block", with(ctr, fields{nil, nil, n(136)}), 16, kmip.KindParametersUnsupported},
		{"CTR with a counter of a part of a byte", with(ctr, fields{nil, nil, n(31)}), 16, kmip.KindParametersUnsupported},
		{"CCM with the counter that it has", with(ccm, fields{nil, nil, n(24)}), 12, 0},
		{"CCM with a counter that it does not have", with(ccm, fields{nil, nil, n(32)}), 12, kmip.KindParametersUnsupported},
		{"CBC, whose IV has no fields", with(kmip.BlockCipherModeCBC, fields{n(32), nil, nil}), 16, kmip.KindParametersUnsupported},
		{"ECB, which has no IV", with(kmip.BlockCipherModeECB, fields{n(32), nil, nil}), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: algAES, Key: secret.New(make([]byte, 16)), Parameters: c.parameters, IV: make([]byte, c.ivBytes), Data: make([]byte, 32)}
			if _, err := Encrypt(r); c.refusal == 0 && err != nil || c.refusal != 0 && kmip.KindOf(err) != c.refusal {
				t.Errorf("Encrypt: %v, want %v", err, c.refusal)
			}
		})
	}
	r := CipherRequest{Algorithm: kmip.CryptographicAlgorithmChaCha20, Key: secret.New(make([]byte, 32)), Parameters: with(0, fields{nil, nil, n(32)}), IV: make([]byte, 12)}
	if _, err := Encrypt(r); err != nil {
		t.Errorf("ChaCha20 with the counter that it has: %v", err)
	}
	r.IV = r.IV[:8]
	if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindParametersUnsupported {
		t.Errorf("ChaCha20 with a counter that it does not have: %v", err)
	}
}

// A counter that has a width does not run into what stands before it.
func TestCounterEnds(t *testing.T) {
	key := secret.New(make([]byte, 32))
	for _, c := range []struct {
		name  string
		r     CipherRequest
		lasts int
	}{
		{"CTR, 8 bits from 254", CipherRequest{Algorithm: algAES, IV: append(make([]byte, 15), 254), Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, CounterLength: ptr(int32(8))}}, 32},
		{"CTR, 8 bits from Initial Counter Value 253", CipherRequest{Algorithm: algAES, IV: make([]byte, 15), Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, CounterLength: ptr(int32(8)), InitialCounterValue: ptr(int32(253))}}, 48},
		{"CTR, 32 bits from Initial Counter Value -2", CipherRequest{Algorithm: algAES, IV: make([]byte, 12), Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, InitialCounterValue: ptr(int32(-2))}}, 32},
		{"ChaCha20 from Initial Counter Value -2", CipherRequest{Algorithm: kmip.CryptographicAlgorithmChaCha20, IV: make([]byte, 12), Parameters: kmip.CryptographicParameters{InitialCounterValue: ptr(int32(-2))}}, 128},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.r
			r.Key, r.Data = key, make([]byte, c.lasts)
			want, err := Encrypt(r)
			if err != nil {
				t.Fatal(err)
			}
			s, _, err := EncryptStream(r)
			if err != nil {
				t.Fatal(err)
			}
			first, err := s.Update(r.Data[:c.lasts-5])
			if err != nil {
				t.Fatal(err)
			}
			second, err := s.Update(r.Data[c.lasts-5:])
			if err != nil || !bytes.Equal(append(first, second...), want.Data) {
				t.Errorf("in parts: %x %x, %v; want %x", first, second, err, want.Data)
			}
			if _, err := s.Update([]byte{0}); kmip.KindOf(err) != kmip.KindCryptographicFailure {
				t.Errorf("one byte more in parts: %v", err)
			}
			r.Data = append(r.Data, 0)
			if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindCryptographicFailure {
				t.Errorf("one byte more: %v", err)
			}
		})
	}
	r := CipherRequest{Algorithm: algAES, Key: key, IV: make([]byte, 15), Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, CounterLength: ptr(int32(8)), InitialCounterValue: ptr(int32(256))}}
	if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindInvalidField {
		t.Errorf("Initial Counter Value longer than Counter Length: %v", err)
	}
	r.IV, r.Parameters.CounterLength = nil, ptr(int32(128))
	if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindParametersUnsupported {
		t.Errorf("no room for an IV: %v", err)
	}
}

// The bytes of the counter of an IV that is made here are zero.
func TestMadeCounterBegins(t *testing.T) {
	for _, bits := range []int32{8, 32, 64} {
		r := CipherRequest{Algorithm: algAES, Key: secret.New(make([]byte, 16)), Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, CounterLength: &bits}}
		got, err := Encrypt(r)
		at := 16 - bits/8
		if err != nil || len(got.IV) != 16 || !bytes.Equal(got.IV[at:], make([]byte, bits/8)) || bytes.Equal(got.IV[:at], make([]byte, at)) {
			t.Errorf("Counter Length %d: IV %x, %v", bits, got.IV, err)
		}
	}
}
