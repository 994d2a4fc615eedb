package custody

import "github.com/claviger/claviger/kmip/secret"

// ForgeCode is a well-formed code of the same set and custodian with another value.
func ForgeCode(text string) (string, error) {
	t := secret.Copy([]byte(text))
	defer t.Destroy()
	c, err := parseCode(t)
	if err != nil {
		return "", err
	}
	c.value[0] ^= 1
	forged := c.text()
	defer forged.Destroy()
	return string(forged.Reveal()), nil
}
