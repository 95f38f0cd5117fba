package conformance_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/penstock-io/penstock/host/internal/conformance"
)

// asHost is what this program is called with to play the host.
const asHost = "as-host"

// TestMain is also the host that is killed, and every plugin that is wrong.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		play(role)
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == asHost {
		if err := conformance.ActAsHost(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}
