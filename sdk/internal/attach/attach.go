package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/sdk/internal/wire"
)

// Plugin is what attaches.
type Plugin struct {
	Service    wire.Service
	SDKVersion string
	Out        io.Writer // where the person reads
}

// Run attaches the plugin and returns when the attachment is over, or ctx is; by
// then nothing is left of it. An error tells why it did not come about, or was
// ended by somebody else than ctx.
func (p Plugin) Run(ctx context.Context, o Options) error {
	h, err := find(ctx, o.Dir)
	if err != nil {
		return err
	}
	listener, remove, err := listen()
	if err != nil {
		return fmt.Errorf("make a socket for the host: %w", err)
	}
	defer remove()
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- wire.ServeAttached(serving, p.Service, listener, h.pid) }()

	p.say("%s asks the host of %s%s for the place of %s", o.Name, o.Dir, h.process(), o.what())
	over := p.attach(ctx, h, o, listener.Addr().String())
	stop()
	left := <-served
	switch {
	case ctx.Err() != nil:
		p.say("%s has ended; the host goes back to what it ran before", o.Name)
		return left
	case over != nil:
		return errors.Join(over, left)
	}
	p.say("the host has ended the attachment")
	return left
}

// attach asks the host and tells the person, until the attachment is over.
func (p Plugin) attach(ctx context.Context, h host, o Options, address string) error {
	r := request{
		Plugin: o.Name, Steps: o.Steps, Address: address, PID: os.Getpid(), Protocol: wire.Protocol, SDKVersion: p.SDKVersion,
	}
	return h.ask(ctx, r, func(m message) {
		switch {
		case m.Attached != nil:
			p.attached(m.Attached.Steps)
		case m.Phase != nil && !m.Phase.tellsNothing():
			p.say("  %s", m.Phase)
		}
	})
}

// attached tells what the plugin has taken over.
func (p Plugin) attached(steps []step) {
	var names []string
	for _, s := range steps {
		names = append(names, s.String())
	}
	p.say("attached to %s", strings.Join(names, " and to "))
	p.say("Rows flow through this process now, outside of the sandbox, and no deadline holds for it: stop it in the debugger")
	p.say("for as long as you like. Ctrl-C, or whatever else ends it, puts back what ran before, at its last checkpoint.")
}

func (p Plugin) say(format string, values ...any) {
	_, _ = fmt.Fprintf(p.Out, format+"\n", values...) // a person who cannot read is no reason to stop
}

// what is what a person asks for.
func (o Options) what() string {
	if len(o.Steps) > 0 {
		return "step " + strings.Join(o.Steps, " and ") + " of plugin " + o.Name
	}
	return "plugin " + o.Name
}

func (h host) process() string {
	if h.pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", h.pid)
}

// listen makes a socket in a directory that nobody but its user can enter, and
// what removes both.
func listen() (l net.Listener, remove func(), err error) {
	dir, err := os.MkdirTemp("", "penstock-attach-") // 0700
	if err != nil {
		return nil, nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // what stays is an empty directory among temporary ones
	if l, err = net.Listen("unix", filepath.Join(dir, "plugin.sock")); err != nil {
		remove()
		return nil, nil, err
	}
	return l, remove, nil
}
