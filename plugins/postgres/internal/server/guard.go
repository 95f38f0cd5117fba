package server

import (
	"context"
	"fmt"
	"io"
	"os/exec"
)

// guard is a process that waits for this one to end, in whatever way, and then
// ends the server and removes its directory: its standard input is a pipe that
// the system closes with us.
type guard struct {
	cmd   *exec.Cmd
	alive io.Closer
}

// What the guard does. The file has the process id in its first line.
const guarding = `
read _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
  done
  kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"
`

func newGuard(ctx context.Context, dir string) (*guard, error) {
	g := &guard{cmd: exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", guarding, "penstock-pg-guard", dir)}
	g.cmd.Dir = "/"
	g.cmd.SysProcAttr = ownSession()
	in, err := g.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard the server: %w", err)
	}
	g.alive = in
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("guard the server: %w", err)
	}
	return g, nil
}

// release lets the guard go, after it has cleared away what is left.
func (g *guard) release() error {
	_ = g.alive.Close() // which is what it waits for
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("clear away the server: %w", err)
	}
	return nil
}
