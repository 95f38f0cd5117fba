package sdk

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk/internal/attach"
	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// attached takes the place of what a running host has started, where the command
// line says so. It is false where it does not, and the exit code counts otherwise.
func attached(line []string, service wire.Service) (code int, wanted bool) {
	options, wanted, err := attach.Parse(line)
	if !wanted {
		return 0, false
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n\n%s", err, attach.Usage)
		return 2, true
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	plugin := attach.Plugin{Service: service, SDKVersion: Version, Out: os.Stderr}
	if err := plugin.Run(ctx, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// newLogger is for a host that reads records, or for the person who attaches.
func newLogger(toHost bool) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Level:      hclog.LevelFromString(os.Getenv(LogLevelEnv)),
		Output:     os.Stderr,
		JSONFormat: toHost,
	})
}
