package api

import (
	"encoding/json"
	"errors"
	"io"
)

// maxOpenBody bounds the bodies of routes that need no authentication.
const maxOpenBody = 32 << 10

// decodeOne reads exactly one value without unknown fields.
func decodeOne(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
