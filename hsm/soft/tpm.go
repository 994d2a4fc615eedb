//go:build linux

package soft

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

const nonceBytes = 16 // of sessions

// storageKey is the storage root key of a TPM, made anew from its seed by the
// ECC template of the TCG: the same TPM always makes the same.
type storageKey struct {
	tpm    transport.TPMCloser
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

// openTPM opens a device and makes its storage root key. The caller closes it.
func openTPM(device string) (*storageKey, error) {
	info, err := os.Stat(device)
	if err != nil {
		return nil, fmt.Errorf("TPM: %w: %w", err, hsm.ErrUnavailable)
	}
	dial := linuxtpm.Open
	if info.Mode()&fs.ModeSocket != 0 {
		dial = linuxudstpm.Open
	}
	tpm, err := dial(device)
	if err != nil {
		return nil, fmt.Errorf("TPM %s: %w: %w", device, err, hsm.ErrUnavailable)
	}
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(tpm)
	if err != nil {
		_ = tpm.Close()
		return nil, fmt.Errorf("TPM %s: storage root key: %w: %w", device, err, hsm.ErrUnavailable)
	}
	k := &storageKey{tpm: tpm, handle: made.ObjectHandle, name: made.Name}
	public, err := made.OutPublic.Contents()
	if err == nil {
		// The name is a hash of the public part, so what the salt of sessions is
		// encrypted to is what the name says.
		k.public = *public
		var name *tpm2.TPM2BName
		if name, err = tpm2.ObjectName(public); err == nil && !bytes.Equal(name.Buffer, made.Name.Buffer) {
			err = errors.New("its name is not that of its public part")
		}
	}
	if err != nil {
		k.close()
		return nil, fmt.Errorf("TPM %s: storage root key: %w: %w", device, err, hsm.ErrUnavailable)
	}
	return k, nil
}

func (k *storageKey) close() {
	k.flush(k.handle)
	_ = k.tpm.Close()
}

func (k *storageKey) flush(handle tpm2.TPMHandle) {
	_, _ = tpm2.FlushContext{FlushHandle: handle}.Execute(k.tpm) // it is gone when the device is closed
}

// salted makes the key of a session from a secret that is encrypted to the storage
// root key. Under that key the first parameter of a command (encryptIn) or its
// response (encryptOut) is encrypted: the key of a file.
func (k *storageKey) salted() tpm2.AuthOption { return tpm2.Salted(k.handle, k.public) }

var (
	encryptIn  = tpm2.AESEncryption(128, tpm2.EncryptIn)
	encryptOut = tpm2.AESEncryption(128, tpm2.EncryptOut)
)

func selection(pcrs []int) tpm2.TPMLPCRSelection {
	var numbers []uint
	for _, n := range pcrs {
		numbers = append(numbers, uint(n))
	}
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(numbers...)},
	}}
}

// policy is the digest of the policy that the PCRs be as they are now.
func (k *storageKey) policy(pcrs []int) (tpm2.TPM2BDigest, error) {
	session, end, err := tpm2.PolicySession(k.tpm, tpm2.TPMAlgSHA256, nonceBytes, tpm2.Trial())
	if err != nil {
		return tpm2.TPM2BDigest{}, err
	}
	defer func() { _ = end() }()
	if _, err := (tpm2.PolicyPCR{PolicySession: session.Handle(), Pcrs: selection(pcrs)}).Execute(k.tpm); err != nil {
		return tpm2.TPM2BDigest{}, err
	}
	digest, err := tpm2.PolicyGetDigest{PolicySession: session.Handle()}.Execute(k.tpm)
	if err != nil {
		return tpm2.TPM2BDigest{}, err
	}
	return digest.PolicyDigest, nil
}

// sealTPM seals the key of a file to a TPM.
func (p protection) sealTPM(to TPM) (*tpmHeader, error) {
	pcrs := slices.Compact(slices.Sorted(slices.Values(to.PCRs)))
	if !pcrsExist(pcrs) {
		return nil, fmt.Errorf("PCRs %v, there are 0 to %d: %w", pcrs, maxPCR, hsm.ErrUnsupported)
	}
	k, err := openTPM(to.Device)
	if err != nil {
		return nil, err
	}
	defer k.close()
	public := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, NoDA: true, UserWithAuth: len(pcrs) == 0},
	}
	if len(pcrs) > 0 {
		if public.AuthPolicy, err = k.policy(pcrs); err != nil {
			return nil, fmt.Errorf("TPM %s: policy of PCRs %v: %w: %w", to.Device, pcrs, err, hsm.ErrUnavailable)
		}
	}
	made, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: k.handle, Name: k.name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, nonceBytes, k.salted(), encryptIn)},
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
			Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: p.key.Reveal()}),
		}},
		InPublic: tpm2.New2B(public),
	}.Execute(k.tpm)
	if err != nil {
		return nil, fmt.Errorf("TPM %s: seal the key of the file: %w: %w", to.Device, err, hsm.ErrUnavailable)
	}
	return &tpmHeader{
		Parent: k.name.Buffer, Public: made.OutPublic.Bytes(), Private: made.OutPrivate.Buffer, PCRs: pcrs,
	}, nil
}

// unseal asks a TPM for the key of the file.
func (h header) unseal(device string) (protection, error) {
	if h.kind() != GuardTPM {
		return protection{}, fmt.Errorf("a TPM was given: %w", h.need())
	}
	k, err := openTPM(device)
	if err != nil {
		return protection{}, err
	}
	defer k.close()
	if !bytes.Equal(k.name.Buffer, h.TPM.Parent) {
		return protection{}, fmt.Errorf("the file is sealed to another TPM than %s, or that was cleared since; open it on the machine it was made on, or restore another guard from a backup: %w", device, hsm.ErrPIN)
	}
	loaded, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: k.handle, Name: k.name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, nonceBytes, k.salted())},
		InPublic:     tpm2.BytesAs2B[tpm2.TPMTPublic](h.TPM.Public),
		InPrivate:    tpm2.TPM2BPrivate{Buffer: h.TPM.Private},
	}.Execute(k.tpm)
	var ofArgument tpm2.TPMFmt1Error
	switch {
	case errors.As(err, &ofArgument):
		return protection{}, fmt.Errorf("TPM %s: the sealed key in the file was changed: %w: %w", device, err, hsm.ErrIntegrity)
	case err != nil:
		return protection{}, fmt.Errorf("TPM %s: load the sealed key: %w: %w", device, err, hsm.ErrUnavailable)
	}
	defer k.flush(loaded.ObjectHandle)
	auth := tpm2.HMAC(tpm2.TPMAlgSHA256, nonceBytes, k.salted(), encryptOut)
	if len(h.TPM.PCRs) > 0 {
		session, end, err := tpm2.PolicySession(k.tpm, tpm2.TPMAlgSHA256, nonceBytes, k.salted(), encryptOut)
		if err != nil {
			return protection{}, fmt.Errorf("TPM %s: session: %w: %w", device, err, hsm.ErrUnavailable)
		}
		defer func() { _ = end() }()
		if _, err := (tpm2.PolicyPCR{PolicySession: session.Handle(), Pcrs: selection(h.TPM.PCRs)}).Execute(k.tpm); err != nil {
			return protection{}, fmt.Errorf("TPM %s: policy of PCRs %v: %w: %w", device, h.TPM.PCRs, err, hsm.ErrUnavailable)
		}
		auth = session
	}
	out, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: auth}}.Execute(k.tpm)
	switch {
	case errors.Is(err, tpm2.TPMRCPolicyFail):
		return protection{}, fmt.Errorf("TPM %s: PCRs %v are not as they were when the file was sealed; if the machine was updated on purpose, restore another guard from a backup and seal anew: %w", device, h.TPM.PCRs, hsm.ErrPIN)
	case err != nil:
		return protection{}, fmt.Errorf("TPM %s: unseal: %w: %w", device, err, hsm.ErrUnavailable)
	case len(out.OutData.Buffer) != fileKeyBytes:
		return protection{}, fmt.Errorf("TPM %s: it unsealed %d bytes: %w", device, len(out.OutData.Buffer), hsm.ErrIntegrity)
	}
	return protection{key: secret.New(out.OutData.Buffer)}, nil
}
