//go:build unix && !linux

package worker

import (
	"os/exec"
	"syscall"
)

// attributes: the worker does not get the signals that the server's terminal
// sends to its group. It ends with the server because the socket does.
func attributes(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}
