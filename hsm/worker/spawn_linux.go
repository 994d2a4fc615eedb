package worker

import (
	"os/exec"
	"syscall"
)

// attributes: the worker is killed when the server ends in whatever way, and
// does not get the signals that the server's terminal sends to its group.
func attributes(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
