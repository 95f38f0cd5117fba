package main

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// A loader whose server is away says what it waits for, names the database, and
// answers the checkpoint once the server is back. It goes away in the middle of a
// transaction, by its own will or by nobody's.
func TestItSaysThatItWaits(t *testing.T) {
	own, err := server.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	for name, stop := range map[string]func() error{"stopped": own.Stop, "killed": own.Kill} {
		t.Run(name, func(t *testing.T) {
			database, err := own.Database(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			dsn := own.URL(database)
			s := quick()
			s.Patience = 10 * time.Minute
			p := plugintest.Open(t, plugintest.Run(t, register(s)), plugintest.Step{
				Register: "postgres", Settings: map[string]any{"dsn": dsn, "batch": 1},
				Start: sdk.Start{Domain: "pairs", Step: "store", Generation: 1, Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}},
			})
			plugintest.Send(p, "events", eventsOf(1, 2)...)
			p.Barrier(1)
			p.Expect(plugintest.Barrier)
			plugintest.Send(p, "events", eventsOf(3)...) // is in an open transaction
			p.Probe()
			p.Expect(plugintest.Probed)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			plugintest.Send(p, "events", eventsOf(4)...)
			p.Barrier(2)
			for range 3 { // it says so every second
				e := p.Expect(plugintest.Waits)
				if !strings.Contains(e.Cause, "database "+database) || strings.Contains(e.Cause, dsn) {
					t.Errorf("it waits for %q", e.Cause)
				}
			}
			if err := own.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			var last plugintest.Event
			for _, e := range p.Until(plugintest.Barrier) {
				if e.What == plugintest.Waits {
					last = e
				}
			}
			if last.Cause != "" {
				t.Errorf("after it has answered it still waits for %q", last.Cause)
			}
			if got := blocksIn(t, dsn, "events"); got != "1 2 3 4" {
				t.Errorf("got blocks %s, want each once", got)
			}
		})
	}
}
