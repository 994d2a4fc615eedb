package split

import "io"

// splitBinary shares each element of the secret by a polynomial of its own,
// whose constant it is and whose other coefficients are random.
func splitBinary(f field, secret []byte, n, threshold int, rand io.Reader) ([]Part, error) {
	pieces := (len(secret) + f.bytes - 1) / f.bytes
	if n*(threshold-1)*pieces > maxProducts {
		return nil, ErrSize
	}
	random := make([]byte, (threshold-1)*pieces*f.bytes)
	defer clear(random)
	if _, err := io.ReadFull(rand, random); err != nil {
		return nil, err
	}
	parts := make([]Part, n)
	for i := range parts {
		x := element(i + 1)
		value := make([]byte, pieces*f.bytes)
		for piece := range pieces {
			var y element
			for c := range threshold - 1 { // Horner, the highest power first
				y = f.mul(y^f.get(random, c*pieces+piece), x)
			}
			f.put(value, piece, y^f.get(secret, piece))
		}
		parts[i] = Part{i + 1, value}
	}
	return parts, nil
}

// joinBinary interpolates at 0, by Lagrange.
func joinBinary(f field, parts []Part, size int) ([]byte, error) {
	length := len(parts[0].Value)
	pieces := length / f.bytes
	if length%f.bytes != 0 || (size+f.bytes-1)/f.bytes != pieces {
		return nil, ErrSize
	}
	if len(parts)*(pieces+len(parts)) > maxProducts {
		return nil, ErrSize
	}
	secret := make([]byte, pieces*f.bytes)
	for i, p := range parts {
		xi := element(p.Identifier) //nolint:gosec // bounded by maxParts
		over, under := element(1), element(1)
		for j, q := range parts {
			if j != i {
				xj := element(q.Identifier) //nolint:gosec // bounded by maxParts
				over, under = f.mul(over, xj), f.mul(under, xi^xj)
			}
		}
		weight := f.mul(over, f.invert(under))
		for piece := range pieces {
			f.put(secret, piece, f.get(secret, piece)^f.mul(weight, f.get(p.Value, piece)))
		}
	}
	clear(secret[size:])
	return secret[:size:size], nil
}
