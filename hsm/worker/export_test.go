package worker

import "os/exec"

// piped is the configuration of a worker in this process.
func (c Config) piped() (Config, error) {
	c.Command = func() *exec.Cmd { return nil }
	return c.withDefaults()
}
