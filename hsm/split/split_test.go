package split

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

var methods = []Method{XOR, GF65536, PrimeField, GF256}

// Any parts as many as the threshold, in any order, give the secret back, and
// more of them too.
func TestThresholdJoins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Sharing{
			Method:     rapid.SampledFrom(methods).Draw(t, "method"),
			Polynomial: rapid.SampledFrom([]Polynomial{0, Polynomial283, Polynomial285}).Draw(t, "polynomial"),
		}
		secret := rapid.SliceOfN(rapid.Byte(), 1, 70).Draw(t, "secret")
		n := rapid.IntRange(2, 12).Draw(t, "parts")
		s.Threshold = n
		if s.Method != XOR {
			s.Threshold = rapid.IntRange(2, n).Draw(t, "threshold")
		}
		parts, err := s.Split(secret, n, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		parts = rapid.Permutation(parts).Draw(t, "order")
		most := n
		if s.Method == XOR {
			most = s.Threshold
		}
		some := parts[:rapid.IntRange(s.Threshold, most).Draw(t, "taken")]
		got, err := s.Join(some, len(secret))
		if err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("got %x, %v; want %x", got, err, secret)
		}
		if _, err := s.Join(parts[:s.Threshold-1], len(secret)); !errors.Is(err, ErrTooFew) {
			t.Fatalf("one part too few: %v", err)
		}
	})
}

// Parts one fewer than the threshold fit every secret: whatever the last one
// was, there is a part that makes it the secret, and only one.
func TestFewerPartsSayNothing(t *testing.T) {
	for _, p := range []Polynomial{Polynomial283, Polynomial285} {
		s := Sharing{Method: GF256, Threshold: 3, Polynomial: p}
		parts, err := s.Split([]byte{0x5a}, 5, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[byte]bool{}
		for v := range 256 {
			got, err := s.Join([]Part{parts[0], parts[3], {5, []byte{byte(v)}}}, 1)
			if err != nil {
				t.Fatal(err)
			}
			seen[got[0]] = true
		}
		if len(seen) != 256 {
			t.Errorf("polynomial %d: two parts allow %d secrets of 256", p, len(seen))
		}
	}
}

func TestLayouts(t *testing.T) {
	secret := []byte("0123456789abcdef!") // 17 bytes
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1))
	for _, c := range []struct {
		method   Method
		prime    *big.Int
		want     int
		shortest int // of Join with size 0
	}{
		{XOR, nil, 17, 17},
		{GF256, nil, 17, 17},
		{GF65536, nil, 18, 18},
		{PrimeField, nil, 66, 66},
		{PrimeField, prime, 66, 66},
	} {
		parts, err := Split(secret, 3, 3, c.method, c.prime, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range parts {
			if p.Identifier != i+1 || len(p.Value) != c.want {
				t.Errorf("method %d: part %d has %d bytes, want %d", c.method, p.Identifier, len(p.Value), c.want)
			}
		}
		whole, err := Join(parts, 3, c.method, c.prime, 0)
		if err != nil || len(whole) != c.shortest || !bytes.Contains(whole, secret) {
			t.Errorf("method %d without a size: %q, %v", c.method, whole, err)
		}
		got, err := Join(parts, 3, c.method, c.prime, len(secret))
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("method %d: %q, %v", c.method, got, err)
		}
	}
}

// Parts computed by hand with other means: the polynomial 0x2a + 0x53 x over
// GF(2^8), that of two bytes over GF(2^16), and 42 + 7 x modulo 1009.
func TestKnownParts(t *testing.T) {
	for _, c := range []struct {
		name  string
		s     Sharing
		parts []Part
		want  string
	}{
		{"283", Sharing{Method: GF256, Threshold: 2, Polynomial: Polynomial283}, []Part{{1, []byte{0x2a ^ 0x53}}, {0x83, []byte{0x2a ^ schoolbook(0x53, 0x83, 0x11b)}}}, "2a"},
		{"285", Sharing{Method: GF256, Threshold: 2, Polynomial: Polynomial285}, []Part{{2, []byte{0x2a ^ 0xa6}}, {0x83, []byte{0x2a ^ schoolbook(0x53, 0x83, 0x11d)}}}, "2a"},
		{"prime", Sharing{Method: PrimeField, Threshold: 2, Prime: big.NewInt(1009)}, []Part{{1, []byte{0, 49}}, {1000, []byte{(42 + 7000%1009) >> 8, (42 + 7000%1009) & 0xff}}}, "2a"},
	} {
		got, err := c.s.Join(c.parts, 1)
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%s: %x, %v; want %s", c.name, got, err, c.want)
		}
	}
}

// schoolbook multiplies polynomials over GF(2) and divides by the modulus.
func schoolbook(a, b, modulus uint) byte {
	product := uint(0)
	for i := range 8 {
		if b>>i&1 == 1 {
			product ^= a << i
		}
	}
	for i := 15; i >= 8; i-- {
		if product>>i&1 == 1 {
			product ^= modulus << (i - 8)
		}
	}
	return byte(product)
}

func TestFields(t *testing.T) {
	for name, p := range map[uint]Polynomial{0x11b: Polynomial283, 0x11d: Polynomial285} {
		small, _ := Sharing{Method: GF256, Polynomial: p}.field()
		for a := range element(256) {
			for b := range element(256) {
				if got := small.mul(a, b); byte(got) != schoolbook(uint(a), uint(b), name) {
					t.Fatalf("%x: %x times %x is %x", name, a, b, got)
				}
			}
			if a != 0 && small.mul(a, small.invert(a)) != 1 {
				t.Fatalf("%x: the inverse of %x is %x", name, a, small.invert(a))
			}
		}
		large, _ := Sharing{Method: GF65536, Polynomial: p}.field()
		if y := element(0x100); large.mul(y, y) != y^m { // y^2 = y + m
			t.Errorf("%x: y^2 = %x", name, large.mul(y, y))
		}
		for a := 1; a < 1<<16; a += 7 {
			e := element(a)
			inverse := large.invert(e)
			if large.mul(e, inverse) != 1 {
				t.Fatalf("%x: the inverse of %x is %x", name, e, inverse)
			}
			// The formula of KMIP 2.1 §13.1.
			u, v := e>>8, e&0xff
			d := small.mul(u^v, v) ^ small.mul(m, small.mul(u, u))
			if want := small.mul(u, small.invert(d))<<8 | small.mul(u^v, small.invert(d)); want != inverse {
				t.Fatalf("%x: the inverse of %x is %x, by the formula %x", name, e, inverse, want)
			}
			b, c := element(mathrand.N(1<<16)), element(mathrand.N(1<<16))
			if large.mul(e, b^c) != large.mul(e, b)^large.mul(e, c) || large.mul(large.mul(e, b), c) != large.mul(e, large.mul(b, c)) || large.mul(e, b) != large.mul(b, e) {
				t.Fatalf("%x: no field: %x, %x, %x", name, e, b, c)
			}
		}
	}
	fips197, _ := Sharing{Method: GF256, Polynomial: Polynomial283}.field()
	if got := fips197.mul(0x57, 0x83); got != 0xc1 { // FIPS 197 §4.2
		t.Errorf("57 times 83 is %x, want c1", got)
	}
}

func TestDefaultPrimes(t *testing.T) {
	lengths := map[int]bool{}
	for _, e := range mersenne {
		p := mersennePrime(e)
		if !p.ProbablyPrime(0) || p.BitLen() != e || lengths[(e+7)/8] {
			t.Errorf("2^%d - 1 is no prime, or of the length of another", e)
		}
		lengths[(e+7)/8] = true
	}
	for size, want := range map[int]int{1: 31, 3: 31, 4: 61, 15: 127, 16: 521, 65: 521, 66: 607, 512: 4253, 531: 4253} {
		if got := DefaultPrime(size).BitLen(); got != want {
			t.Errorf("for %d bytes: 2^%d - 1, want 2^%d - 1", size, got, want)
		}
	}
	if DefaultPrime(0) != nil || DefaultPrime(532) != nil {
		t.Error("a prime for no secret, or for one that is too large")
	}
}

func TestLargestNumbersOfParts(t *testing.T) {
	secret := []byte("a secret")
	for _, c := range []struct {
		method Method
		n      int
	}{{XOR, 1024}, {GF256, 255}, {GF65536, 1024}, {PrimeField, 500}} {
		parts, err := Split(secret, c.n, c.n, c.method, nil, nil)
		if err != nil {
			t.Fatalf("method %d: %v", c.method, err)
		}
		got, err := Join(parts, c.n, c.method, nil, len(secret))
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("method %d: %q, %v", c.method, got, err)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	secret := []byte("0123456789abcdef")
	above := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(51)) // a prime
	for _, c := range []struct {
		name   string
		s      Sharing
		secret []byte
		parts  int
		want   error
	}{
		{"no method", Sharing{Threshold: 2}, secret, 2, ErrMethod},
		{"a method that is not there", Sharing{Method: 5, Threshold: 2}, secret, 2, ErrMethod},
		{"one part", Sharing{Method: GF256, Threshold: 1}, secret, 1, ErrParts},
		{"256 parts of GF(2^8)", Sharing{Method: GF256, Threshold: 2}, secret, 256, ErrParts},
		{"1025 parts", Sharing{Method: GF65536, Threshold: 2}, secret, 1025, ErrParts},
		{"no parts", Sharing{Method: XOR, Threshold: 2}, secret, -1, ErrParts},
		{"a threshold of one", Sharing{Method: GF256, Threshold: 1}, secret, 3, ErrThreshold},
		{"a threshold beyond the parts", Sharing{Method: GF256, Threshold: 4}, secret, 3, ErrThreshold},
		{"XOR that does not need all", Sharing{Method: XOR, Threshold: 2}, secret, 3, ErrThreshold},
		{"nothing to share", Sharing{Method: GF256, Threshold: 2}, nil, 3, ErrSize},
		{"too much to share", Sharing{Method: GF256, Threshold: 2}, make([]byte, maxSecretBytes+1), 3, ErrSize},
		{"too much work", Sharing{Method: GF65536, Threshold: 1024}, make([]byte, 1024), 1024, ErrSize},
		{"too much work of primes", Sharing{Method: PrimeField, Threshold: 1024}, secret, 1024, ErrSize},
		{"too much of XOR", Sharing{Method: XOR, Threshold: 1024}, make([]byte, maxSecretBytes), 1024, ErrSize},
		{"a polynomial that is not there", Sharing{Method: GF256, Threshold: 2, Polynomial: 3}, secret, 3, ErrPolynomial},
		{"a composite number", Sharing{Method: PrimeField, Threshold: 2, Prime: new(big.Int).Add(above, big.NewInt(2))}, secret, 3, ErrPrime},
		{"an even number", Sharing{Method: PrimeField, Threshold: 2, Prime: new(big.Int).Lsh(big.NewInt(1), 200)}, secret, 3, ErrPrime},
		{"a negative number", Sharing{Method: PrimeField, Threshold: 2, Prime: new(big.Int).Neg(above)}, secret, 3, ErrPrime},
		{"a prime that is smaller than secrets may be", Sharing{Method: PrimeField, Threshold: 2, Prime: mersennePrime(127)}, secret, 3, ErrPrime},
		{"a prime that is too large", Sharing{Method: PrimeField, Threshold: 2, Prime: mersennePrime(4423)}, secret, 3, ErrPrime},
		{"a prime that is smaller than the identifiers", Sharing{Method: PrimeField, Threshold: 2, Prime: big.NewInt(257)}, []byte{1}, 300, ErrPrime},
		{"a secret that no default prime is for", Sharing{Method: PrimeField, Threshold: 2}, make([]byte, 532), 3, ErrPrime},
	} {
		if _, err := c.s.Split(c.secret, c.parts, rand.Reader); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := Split(secret, 3, 2, PrimeField, above, nil); err != nil {
		t.Errorf("the smallest prime: %v", err)
	}
	for _, m := range methods {
		entropy := errors.New("no entropy")
		if _, err := Split(secret, 2, 2, m, nil, iotest.ErrReader(entropy)); !errors.Is(err, entropy) {
			t.Errorf("method %d without randomness: %v", m, err)
		}
	}
}

func TestJoinRefuses(t *testing.T) {
	one, two := Part{1, []byte{1, 2}}, Part{2, []byte{3, 4}}
	for _, c := range []struct {
		name  string
		s     Sharing
		parts []Part
		size  int
		want  error
	}{
		{"no method", Sharing{Threshold: 2}, []Part{one, two}, 2, ErrMethod},
		{"no threshold", Sharing{Method: GF256}, []Part{one, two}, 2, ErrThreshold},
		{"a threshold beyond the method", Sharing{Method: GF256, Threshold: 256}, []Part{one, two}, 2, ErrThreshold},
		{"no parts", Sharing{Method: GF256, Threshold: 2}, nil, 2, ErrTooFew},
		{"one part too few", Sharing{Method: GF256, Threshold: 3}, []Part{one, two}, 2, ErrTooFew},
		{"one part too many for XOR", Sharing{Method: XOR, Threshold: 2}, []Part{one, two, {3, []byte{5, 6}}}, 2, ErrParts},
		{"more parts than there are", Sharing{Method: GF256, Threshold: 2}, make([]Part, 256), 2, ErrParts},
		{"an identifier twice", Sharing{Method: GF256, Threshold: 2}, []Part{one, one}, 2, ErrIdentifier},
		{"the identifier of the secret", Sharing{Method: GF256, Threshold: 2}, []Part{{0, []byte{1, 2}}, two}, 2, ErrIdentifier},
		{"a negative identifier", Sharing{Method: XOR, Threshold: 2}, []Part{{-1, []byte{1, 2}}, two}, 2, ErrIdentifier},
		{"an identifier beyond GF(2^8)", Sharing{Method: GF256, Threshold: 2}, []Part{one, {256, []byte{1, 2}}}, 2, ErrIdentifier},
		{"parts of two lengths", Sharing{Method: GF256, Threshold: 2}, []Part{one, {2, []byte{1}}}, 2, ErrSize},
		{"empty parts", Sharing{Method: GF256, Threshold: 2}, []Part{{1, nil}, {2, nil}}, 0, ErrSize},
		{"a size beyond the parts", Sharing{Method: GF256, Threshold: 2}, []Part{one, two}, 3, ErrSize},
		{"a negative size", Sharing{Method: GF256, Threshold: 2}, []Part{one, two}, -1, ErrSize},
		{"a size that is shorter", Sharing{Method: GF256, Threshold: 2}, []Part{one, two}, 1, ErrSize},
		{"a size that is shorter of XOR", Sharing{Method: XOR, Threshold: 2}, []Part{one, two}, 1, ErrSize},
		{"parts of odd length in GF(2^16)", Sharing{Method: GF65536, Threshold: 2}, []Part{{1, []byte{1}}, {2, []byte{1}}}, 1, ErrSize},
		{"a polynomial that is not there", Sharing{Method: GF65536, Threshold: 2, Polynomial: 9}, []Part{one, two}, 2, ErrPolynomial},
		{"a prime that is none", Sharing{Method: PrimeField, Threshold: 2, Prime: big.NewInt(1001)}, []Part{one, two}, 1, ErrPrime},
		{"a prime that nobody knows", Sharing{Method: PrimeField, Threshold: 2}, []Part{one, two}, 1, ErrPrime},
		{"parts of another length than the prime", Sharing{Method: PrimeField, Threshold: 2, Prime: mersennePrime(31)}, []Part{one, two}, 1, ErrSize},
		{"a part that is no element", Sharing{Method: PrimeField, Threshold: 2, Prime: big.NewInt(1009)}, []Part{{1, []byte{0xff, 0xff}}, {2, []byte{0, 1}}}, 1, ErrSize},
		{"parts that make no secret of that size", Sharing{Method: PrimeField, Threshold: 2, Prime: big.NewInt(1009)}, []Part{{1, []byte{0, 1}}, {2, []byte{0, 2}}, {3, []byte{0, 9}}}[1:], 1, ErrSize},
		{"identifiers that are one modulo the prime", Sharing{Method: PrimeField, Threshold: 2, Prime: big.NewInt(257)}, []Part{{1, []byte{0, 1}}, {258, []byte{0, 2}}}, 1, ErrPrime},
		{"a size that is shorter in a prime field", Sharing{Method: PrimeField, Threshold: 2, Prime: big.NewInt(1009)}, []Part{one, {2, []byte{2, 4}}}, 0, nil},
	} {
		if _, err := c.s.Join(c.parts, c.size); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
