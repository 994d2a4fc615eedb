package main

import (
	"encoding/hex"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/payload"
)

// parameterFlags are the Cryptographic Parameters and what goes with them.
func parameterFlags() []cli.Flag {
	return append(inputFlags(),
		&cli.StringFlag{Name: "mode", Usage: "Block Cipher `MODE`, such as GCM or CBC"},
		&cli.StringFlag{Name: "padding", Usage: "Padding `METHOD`, such as PKCS5 or OAEP"},
		&cli.StringFlag{Name: "hash", Usage: "Hashing `ALGORITHM`, for OAEP"},
		&cli.IntFlag{Name: "tag-length", Usage: "length of the authentication tag in `BYTES`"},
		&cli.StringFlag{Name: "iv", Usage: "IV, counter or nonce in `HEX`"},
		&cli.StringFlag{Name: "aad", Usage: "additional authenticated data in `HEX`"},
		&cli.StringFlag{Name: "out", Usage: "`FILE` for the result, readable by its owner only"})
}

// parameters makes Cryptographic Parameters; nil when no flag asks for any.
func parameters(c *cli.Context, randomIV bool) (*kmip.Item, error) {
	i := kmip.Structure(kmip.TagCryptographicParameters)
	for _, f := range []struct {
		flag string
		tag  kmip.Tag
	}{{"mode", kmip.TagBlockCipherMode}, {"padding", kmip.TagPaddingMethod}, {"hash", kmip.TagHashingAlgorithm}} {
		v, err := enumeration[uint32](c, f.flag, f.tag)
		if err != nil {
			return nil, err
		}
		if v != 0 {
			i.Items = append(i.Items, kmip.Enumeration(f.tag, v))
		}
	}
	if randomIV {
		i.Items = append(i.Items, kmip.Boolean(kmip.TagRandomIV, true))
	}
	if n := c.Int("tag-length"); n > 0 {
		i.Items = append(i.Items, kmip.Integer(kmip.TagTagLength, int32(n))) //nolint:gosec // the server checks it
	}
	if len(i.Items) == 0 {
		return nil, nil //nolint:nilnil // those of the key count
	}
	return &i, nil
}

func kmipEncrypt() *cli.Command {
	return overKMIP(&cli.Command{
		Name: "encrypt", Usage: "encrypt by a key of the server", ArgsUsage: "UID",
		Description: "Reads the plaintext from --in FILE, --data HEX, or standard input. The ciphertext goes\nto --out FILE, else to standard output in hexadecimal; IV and tag to standard error.\nWithout --iv the server makes one.",
		Flags:       parameterFlags(),
	}, encrypt)
}

func encrypt(c *cli.Context, k *client.Client) error {
	iv, err := hexFlag(c, "iv")
	if err != nil {
		return err
	}
	aad, err := hexFlag(c, "aad")
	if err != nil {
		return err
	}
	params, err := parameters(c, iv == nil && c.String("mode") != "" && c.String("mode") != "ECB")
	if err != nil {
		return err
	}
	data, err := readInput(c)
	if err != nil {
		return err
	}
	defer clear(data)
	r, err := k.Encrypt(c.Context, payload.EncryptRequest{
		UniqueIdentifier: kmip.Reference{Text: c.Args().First()}, CryptographicParameters: params,
		Data: payload.Data{Bytes: data}, IVCounterNonce: iv, AuthenticatedEncryptionAdditionalData: aad,
	})
	if err != nil {
		return err
	}
	if path := c.String("out"); path != "" {
		if err := writeFile(path, r.Data, 0o600); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	if wantsJSON(c) {
		return printJSON(c, map[string]string{
			"data": hex.EncodeToString(r.Data), "iv": hex.EncodeToString(r.IVCounterNonce), "tag": hex.EncodeToString(r.AuthenticatedEncryptionTag),
		})
	}
	for _, part := range []struct {
		name  string
		value []byte
	}{{"iv", r.IVCounterNonce}, {"tag", r.AuthenticatedEncryptionTag}} {
		if len(part.value) > 0 {
			note(c, "%s %x", part.name, part.value)
		}
	}
	if c.String("out") != "" {
		return printLine(c, "%d bytes written to %s", len(r.Data), c.String("out"))
	}
	return printLine(c, "%x", r.Data)
}

func kmipDecrypt() *cli.Command {
	return overKMIP(&cli.Command{
		Name: "decrypt", Usage: "decrypt by a key of the server", ArgsUsage: "UID",
		Description: "Reads the ciphertext from --in FILE, --data HEX, or standard input. The plaintext goes\nto --out FILE, else as it is to standard output.",
		Flags:       append(parameterFlags(), &cli.StringFlag{Name: "tag", Usage: "authentication tag in `HEX`"}),
	}, decrypt)
}

func decrypt(c *cli.Context, k *client.Client) error {
	var parts [3][]byte
	for n, flag := range []string{"iv", "aad", "tag"} {
		var err error
		if parts[n], err = hexFlag(c, flag); err != nil {
			return err
		}
	}
	params, err := parameters(c, false)
	if err != nil {
		return err
	}
	data, err := readInput(c)
	if err != nil {
		return err
	}
	r, err := k.Decrypt(c.Context, payload.DecryptRequest{
		UniqueIdentifier: kmip.Reference{Text: c.Args().First()}, CryptographicParameters: params, Data: payload.Data{Bytes: data},
		IVCounterNonce: parts[0], AuthenticatedEncryptionAdditionalData: parts[1], AuthenticatedEncryptionTag: parts[2],
	})
	if err != nil {
		return err
	}
	defer clear(r.Data)
	if c.String("out") != "" {
		return writeSecret(c, "plaintext", r.Data)
	}
	if wantsJSON(c) {
		return printJSON(c, map[string]string{"data": hex.EncodeToString(r.Data)})
	}
	_, err = c.App.Writer.Write(r.Data)
	return err
}
