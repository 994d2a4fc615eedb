package config

import "testing"

func TestFIPSIsRequiredByFileOrEnvironment(t *testing.T) {
	for _, c := range []struct {
		name, text string
		env        map[string]string
		want       bool
	}{
		{"not at all", good, nil, false},
		{"by the file", good + "[fips]\nrequired = true\n", nil, true},
		{"by the environment", good, map[string]string{"CLAVIGER_FIPS_REQUIRED": "true"}, true},
		{"the environment wins", good + "[fips]\nrequired = true\n", map[string]string{"CLAVIGER_FIPS_REQUIRED": "false"}, false},
	} {
		conf, err := Parse("c.toml", []byte(c.text), func(k string) (string, bool) { v, ok := c.env[k]; return v, ok })
		if err != nil || conf.FIPS.Required != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, conf.FIPS.Required, err, c.want)
		}
	}
}
