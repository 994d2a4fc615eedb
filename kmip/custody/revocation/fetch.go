package revocation

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Bounds of an exchange with a server of others.
const (
	fetchDeadline = 20 * time.Second
	ocspDeadline  = 5 * time.Second
	maxOCSPBytes  = 64 << 10
)

// http follows no redirects: an operator has said where to ask, and nobody else
// may.
var transport = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// CheckURL refuses what is no address of a web server.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("an address of a revocation list or responder is http://… or https://…, without a password")
	}
	return nil
}

// FetchList gets a revocation list.
func FetchList(ctx context.Context, from string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchDeadline)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	return do(r, MaxListBytes)
}

func do(r *http.Request, limit int64) ([]byte, error) {
	resp, err := transport.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", r.URL.Redacted(), resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s answered more than %d bytes", r.URL.Redacted(), limit)
	}
	return b, nil
}

// Answer is what a responder says of a certificate.
type Answer struct {
	Revoked bool
	Until   time.Time // when it is to be asked again
}

// longestAnswer bounds for how long an answer is used, and shortAnswer is for how
// long one that does not say.
const (
	longestAnswer = 24 * time.Hour
	shortAnswer   = 15 * time.Minute
)

// Ask asks a responder about a certificate of an issuer. The answer must be signed
// by the issuer, or by whom the issuer has made its responder, and be current. A
// responder that does not know the certificate is an error.
func Ask(ctx context.Context, responder string, cert, issuer *x509.Certificate, now time.Time) (Answer, error) {
	request, err := ocsp.CreateRequest(cert, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1}) // what every responder takes (RFC 5019 §2.1.1)
	if err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, ocspDeadline)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, responder, bytes.NewReader(request))
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	b, err := do(r, maxOCSPBytes)
	if err != nil {
		return Answer{}, err
	}
	return readAnswer(b, cert, issuer, now)
}

func readAnswer(b []byte, cert, issuer *x509.Certificate, now time.Time) (Answer, error) {
	resp, err := ocsp.ParseResponseForCert(b, cert, issuer)
	if err != nil {
		return Answer{}, fmt.Errorf("answer of the responder: %w", err)
	}
	if by := resp.Certificate; by != nil && !by.Equal(issuer) {
		// The library has checked who signed its certificate, not what that is for.
		switch {
		case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
			return Answer{}, errors.New("the answer is signed by a certificate that is not for OCSP")
		case now.Before(by.NotBefore) || !now.Before(by.NotAfter):
			return Answer{}, errors.New("the certificate of the responder has expired or is not yet valid")
		case !bytes.Equal(by.RawIssuer, issuer.RawSubject):
			return Answer{}, errors.New("the certificate of the responder is of another authority")
		}
	}
	until := resp.NextUpdate
	switch {
	case resp.ThisUpdate.After(now.Add(clockTolerance)):
		return Answer{}, errors.New("the answer of the responder is of the future")
	case until.IsZero():
		if now.Sub(resp.ThisUpdate) > longestAnswer {
			return Answer{}, errors.New("the answer of the responder is old")
		}
		until = now.Add(shortAnswer)
	case !now.Before(until):
		return Answer{}, errors.New("the answer of the responder is no longer current")
	}
	if latest := now.Add(longestAnswer); until.After(latest) {
		until = latest
	}
	switch resp.Status {
	case ocsp.Good:
		return Answer{Until: until}, nil
	case ocsp.Revoked:
		return Answer{Revoked: true, Until: until}, nil
	}
	return Answer{}, errors.New("the responder does not know the certificate")
}
