//go:build unix

package worker

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/claviger/claviger/hsm"
)

// channelFD is the descriptor of the socket in the worker: the first after the
// standard streams.
const channelFD = 3

// spawn starts a worker. It ends with the thread that started it (Linux), so a
// goroutine keeps that thread for as long.
func spawn(cfg *Config) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("socket of the token worker: %w: %w", err, hsm.ErrUnavailable)
	}
	cmd := cfg.Command()
	output := newLines(cfg.Log, cfg.Name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, output, output
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.WaitDelay = time.Second // a process of the module's may keep the streams open
	attributes(cmd)
	p := connect(cfg, ours, func() { _ = cmd.Process.Kill() })
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := cmd.Start()
		_ = theirs.Close()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // the state says it better
		p.state = cmd.ProcessState.String()
		if cause := output.flush(); cause != "" {
			p.state += ", " + cause
		}
	}()
	if err := <-started; err != nil {
		_ = ours.Close()
		close(p.gone)
		return nil, fmt.Errorf("start the token worker: %w: %w", err, hsm.ErrUnavailable)
	}
	cfg.Log.Debug("token worker started", "token", cfg.Name, "pid", cmd.Process.Pid)
	return p, nil
}

// socketPair returns a connection and the file for the other process.
func socketPair() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	files := [2]*os.File{os.NewFile(uintptr(fds[0]), "token worker"), os.NewFile(uintptr(fds[1]), "server")}
	conn, err := net.FileConn(files[0]) // a copy
	_ = files[0].Close()
	if err != nil {
		_ = files[1].Close()
		return nil, nil, err
	}
	return conn, files[1], nil
}

// channel is the socket to the server, in the worker. Programs that the module
// starts do not get it.
func channel() (net.Conn, error) {
	syscall.CloseOnExec(channelFD)
	f := os.NewFile(channelFD, "server")
	conn, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("token worker: it is started by the server only: %w", err)
	}
	return conn, nil
}
