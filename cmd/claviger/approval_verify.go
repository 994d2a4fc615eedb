package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/kmip/custody"
)

func verifyApprovalCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "check the signatures of a request, offline", ArgsUsage: "FILE",
		Description: "FILE is what claviger --output json approval show ID prints. With --ca it also checks that the\n" +
			"installation issued the certificates.",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate of the installation's authority"}},
		Action: verifyApproval,
	}
}

// verifyApproval believes nothing of the file but what is signed.
func verifyApproval(c *cli.Context) error {
	b, err := os.ReadFile(c.Args().First())
	if err != nil {
		return err
	}
	var r api.Approval
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("%s is not what approval show prints: %w", c.Args().First(), err)
	}
	var s custody.ApprovalSubject
	if err := json.Unmarshal(r.Canonical, &s); err != nil {
		return fmt.Errorf("canonical: %w", err)
	}
	if told, err := json.Marshal(r.Subject); err != nil || !bytes.Equal(told, r.Canonical) {
		return errors.New("the subject that is told is not the one that was signed")
	}
	var pool *x509.CertPool
	if file := c.String("ca"); file != "" {
		if pool, err = authorities(file); err != nil {
			return err
		}
	}
	var wrong []error
	rows := subjectRows(s)
	seen := map[string]bool{}
	for _, a := range r.Approvals {
		key, err := verifyGiven(r.Canonical, a, pool)
		switch {
		case err != nil:
		case "admin:"+a.Approver == s.Actor:
			err = errors.New("by whoever asked")
		case seen[key] || seen[a.Approver]:
			err = errors.New("by somebody who has approved already")
		}
		seen[key], seen[a.Approver] = true, true
		text := a.Approver + " (" + a.Role + "), signature good"
		if err != nil {
			wrong = append(wrong, fmt.Errorf("approval by %s: %w", a.Approver, err))
			text = a.Approver + ": " + err.Error()
		}
		rows = append(rows, []string{"approved by", text})
	}
	good := len(r.Approvals) - len(wrong)
	rows = append(rows, []string{"good approvals", fmt.Sprintf("%d, and %d are needed", good, r.Needed)})
	if r.State == "used" && good < r.Needed {
		wrong = append(wrong, fmt.Errorf("request %s was used with %d good approvals of %d", s.ID, good, r.Needed))
	}
	if err := printTable(c, map[string]any{"id": s.ID, "subject": s, "good": good, "needed": r.Needed}, []string{"request", s.ID}, rows); err != nil {
		return err
	}
	return errors.Join(wrong...)
}

// verifyGiven checks one approval and returns the key that gave it. The certificate
// must name the approver.
func verifyGiven(canonical []byte, a api.GivenApproval, pool *x509.CertPool) (string, error) {
	block, _ := pem.Decode([]byte(a.Certificate))
	if block == nil {
		return "", errors.New("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	key := string(cert.RawSubjectPublicKeyInfo)
	if cert.Subject.CommonName != a.Approver {
		return key, fmt.Errorf("the certificate is of %q", cert.Subject.CommonName)
	}
	if pool != nil {
		opts := x509.VerifyOptions{Roots: pool, CurrentTime: a.Given, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := cert.Verify(opts); err != nil {
			return key, err
		}
	}
	return key, custody.VerifyApproval(cert, canonical, a.Comment, a.Signature)
}
