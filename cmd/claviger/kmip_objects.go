package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/secret"
)

// attributeFlags are the common attributes of new objects.
func attributeFlags(algorithm string, length int, usage ...string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "`NAME` of the object"},
		&cli.StringFlag{Name: "group", Usage: "Object `GROUP`"},
		&cli.StringFlag{Name: "algorithm", Usage: "Cryptographic `ALGORITHM`", Value: algorithm},
		&cli.IntFlag{Name: "length", Usage: "Cryptographic Length in `BITS`", Value: length},
		&cli.StringSliceFlag{Name: "usage", Usage: "Cryptographic Usage Mask: `USES`, such as Encrypt,Decrypt", Value: cli.NewStringSlice(usage...)},
		&cli.BoolFlag{Name: "activate", Usage: "make it Active from now on"},
	}
}

// newAttributes reads attributeFlags, but algorithm and length.
func newAttributes(c *cli.Context) (kmip.Attributes, error) {
	var attrs kmip.Attributes
	if n := c.String("name"); n != "" {
		attrs = append(attrs, kmip.NewAttribute(nameItem(n)))
	}
	if g := c.String("group"); g != "" {
		attrs = append(attrs, kmip.NewAttribute(kmip.Text(kmip.TagObjectGroup, g)))
	}
	mask, err := usageMask(c)
	if err != nil {
		return nil, err
	}
	if mask != 0 {
		attrs = append(attrs, kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, mask)))
	}
	if c.Bool("activate") {
		attrs = append(attrs, kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, time.Now())))
	}
	return attrs, nil
}

func nameItem(name string) kmip.Item {
	return kmip.NameValue{Value: name, Type: kmip.NameTypeUninterpretedTextString}.Item()
}

func kmipCreate() *cli.Command {
	return overKMIP(&cli.Command{
		Name: "create", Usage: "make a symmetric key; prints its Unique Identifier", Flags: attributeFlags("AES", 256, "Encrypt", "Decrypt"),
	}, func(c *cli.Context, k *client.Client) error {
		attrs, err := newAttributes(c)
		if err != nil {
			return err
		}
		alg, err := enumeration[kmip.CryptographicAlgorithm](c, "algorithm", kmip.TagCryptographicAlgorithm)
		if err != nil {
			return err
		}
		attrs = append(attrs, kmip.NewAttribute(kmip.Enumeration(kmip.TagCryptographicAlgorithm, alg)),
			kmip.NewAttribute(kmip.Integer(kmip.TagCryptographicLength, int32(c.Int("length"))))) //nolint:gosec // the server checks it
		uid, err := k.Create(c.Context, attrs)
		if err != nil {
			return err
		}
		return printUID(c, uid)
	})
}

func kmipRegister() *cli.Command {
	return overKMIP(&cli.Command{
		Name: "register", Usage: "hand an object over; prints its Unique Identifier",
		Description: "Takes the value from --in FILE, --data HEX, or standard input.",
		Flags: append(append(attributeFlags("", 0), inputFlags()...),
			&cli.StringFlag{Name: "type", Usage: "Object `TYPE`: SymmetricKey, PublicKey, PrivateKey, SecretData, OpaqueObject or Certificate", Value: "SymmetricKey"},
			&cli.StringFlag{Name: "format", Usage: "Key Format `TYPE`", Value: "Raw"},
			&cli.StringFlag{Name: "secret-type", Usage: "Secret Data `TYPE`: Password or Seed", Value: "Password"}),
	}, register)
}

func register(c *cli.Context, k *client.Client) error {
	attrs, err := newAttributes(c)
	if err != nil {
		return err
	}
	value, err := readInput(c)
	if err != nil {
		return err
	}
	o, err := newObject(c, value)
	if err != nil {
		clear(value)
		return err
	}
	defer o.Destroy()
	uid, err := k.Register(c.Context, o, attrs)
	if err != nil {
		return err
	}
	return printUID(c, uid)
}

// newObject makes the object that the flags describe; it takes the value over.
func newObject(c *cli.Context, value []byte) (*kmip.Object, error) {
	kind, err := enumeration[kmip.ObjectType](c, "type", kmip.TagObjectType)
	if err != nil {
		return nil, err
	}
	o := &kmip.Object{Type: kind}
	switch kind {
	case kmip.ObjectTypeCertificate:
		o.CertificateType, o.CertificateValue = kmip.CertificateTypeX509, value
		return o, nil
	case kmip.ObjectTypeOpaqueObject:
		o.OpaqueDataType, o.OpaqueDataValue = 0x80000000, secret.New(value)
		return o, nil
	case kmip.ObjectTypeSecretData:
		if o.SecretDataType, err = enumeration[kmip.SecretDataType](c, "secret-type", kmip.TagSecretDataType); err != nil {
			return nil, err
		}
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey:
	default:
		return nil, usagef("--type: objects of type %s cannot be registered from here", kind)
	}
	o.Key = &kmip.KeyBlock{Material: secret.New(value), LengthBits: int32(c.Int("length"))} //nolint:gosec // the server checks it
	if o.Key.Format, err = enumeration[kmip.KeyFormatType](c, "format", kmip.TagKeyFormatType); err != nil {
		return nil, err
	}
	if o.Key.Algorithm, err = enumeration[kmip.CryptographicAlgorithm](c, "algorithm", kmip.TagCryptographicAlgorithm); err != nil {
		return nil, err
	}
	if kind != kmip.ObjectTypeSecretData && o.Key.Algorithm == 0 {
		return nil, usagef("--algorithm is needed for a %s", kind)
	}
	if kind == kmip.ObjectTypeSymmetricKey && o.Key.LengthBits == 0 {
		o.Key.LengthBits = int32(8 * len(value)) //nolint:gosec // bounded by readInput
	}
	return o, nil
}

func kmipGet() *cli.Command {
	return overKMIP(&cli.Command{
		Name: "get", Usage: "fetch an object: raw to --out, else in hexadecimal", ArgsUsage: "UID",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "`FILE` for the value, readable by its owner only"},
			&cli.StringFlag{Name: "format", Usage: "Key Format `TYPE` to ask for"},
		},
	}, func(c *cli.Context, k *client.Client) error {
		format, err := enumeration[kmip.KeyFormatType](c, "format", kmip.TagKeyFormatType)
		if err != nil {
			return err
		}
		o, err := k.Get(c.Context, c.Args().First(), format)
		if err != nil {
			return err
		}
		defer o.Destroy()
		value, err := valueOf(o)
		if err != nil {
			return err
		}
		return writeSecret(c, o.Type.String(), value)
	})
}

// valueOf is the value of an object as bytes, which stay the object's.
func valueOf(o *kmip.Object) ([]byte, error) {
	switch {
	case o.Type == kmip.ObjectTypeCertificate:
		return o.CertificateValue, nil
	case o.OpaqueDataValue != nil:
		return o.OpaqueDataValue.Reveal(), nil
	case o.Key != nil && o.Key.Material != nil:
		return o.Key.Material.Reveal(), nil
	case o.Key != nil && o.Key.Transparent != nil:
		return nil, fmt.Errorf("the key came as %s, which is not one piece of bytes; ask for another --format", o.Key.Format)
	}
	return nil, fmt.Errorf("the answer holds no value")
}
