package sdk_test

import (
	"context"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// patient waits for two things while it commits, until it is let go.
type patient struct {
	store
	more, less, done chan struct{}
}

func (p *patient) Commit(ctx context.Context, commit sdk.Commit) error {
	if commit.Checkpoint == 0 {
		return p.store.Commit(ctx, commit)
	}
	over := sdk.WaitsFor(ctx, "the disk")
	defer over()
	<-p.more
	more := sdk.WaitsFor(ctx, "the network")
	<-p.less
	more()
	more()
	<-p.done
	over()
	return p.store.Commit(ctx, commit)
}

// said reads what a process says until it says that it waits for something; ""
// is for nothing any more. It may say the same several times.
func said(t *testing.T, p *plugintest.Process, what string) {
	t.Helper()
	before := ""
	for {
		e := p.Next()
		switch {
		case e.What != plugintest.Waits:
			t.Fatalf("it said %s, want that it waits for %q", e.What, what)
		case e.Cause == what:
			return
		case before != "" && e.Cause != before:
			t.Fatalf("it waits for %q, want %q", e.Cause, what)
		}
		before = e.Cause
	}
}

// A process says what it waits for, again and again, and that it waits no more
// before it says anything else.
func TestWaitsFor(t *testing.T) {
	l := &patient{store: store{table: &table{}}, more: make(chan struct{}), less: make(chan struct{}), done: make(chan struct{})}
	p := plugintest.Run(t, sdk.Loader("store", l))
	open := plugintest.Open(t, p, plugintest.Step{
		Register: "store", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}},
	})
	open.Barrier(1)
	said(t, open, "the disk")
	said(t, open, "the disk")
	close(l.more)
	said(t, open, "the network")
	close(l.less)
	said(t, open, "the disk")
	close(l.done)
	said(t, open, "")
	open.Expect(plugintest.Barrier)
}

// Who calls it where no host is, or does not say that it is over, harms nobody.
func TestWaitsForNobody(t *testing.T) {
	sdk.WaitsFor(context.Background(), "the disk")()
	p := plugintest.Run(t, sdk.Loader("store", &endless{}))
	open := plugintest.Open(t, p, plugintest.Step{
		Register: "store", Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[value](t, "input")}},
	})
	open.Barrier(1)
	open.Until(plugintest.Barrier)
	said(t, open, "the end")
	open.End("input")
	open.Until(plugintest.Ended)
}

// endless never says that it has waited.
type endless struct{}

func (*endless) Load(context.Context, []value) error { return nil }

func (*endless) Commit(ctx context.Context, _ sdk.Commit) error {
	sdk.WaitsFor(ctx, "the end")
	return nil
}
