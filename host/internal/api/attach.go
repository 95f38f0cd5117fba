package api

import (
	"context"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/engine"
)

// Attachment is a plugin that a person runs by hand, and the steps that it is to
// take over.
type Attachment struct {
	Plugin     string   // the name that it has in what runs
	Steps      []string // only these; nil: all of the plugin
	Address    string   // the socket where it listens
	PID        int
	Protocol   uint32
	SDKVersion string
	// Progress is told of every phase, and Attached once, when rows flow through
	// the plugin. Neither must block.
	Progress func(engine.Event)
	Attached func([]AttachedStep)
}

// AttachedStep is a step that an attached plugin has taken over.
type AttachedStep struct {
	Step       string // pipeline/step
	Checkpoint uint64
	Block      *uint64
}

// Attach lets a plugin that runs already take the place of steps until the
// stream or the attachment ends.
func (s *pluginService) Attach(ctx context.Context, r *connect.Request[hostv1.AttachRequest], stream *connect.ServerStream[hostv1.AttachResponse]) error {
	m := r.Msg
	told := newTelling[*hostv1.AttachResponse](phasesAtOnce)
	var failed error
	go func() {
		defer told.end()
		failed = s.cfg.Plugins.Attach(ctx, Attachment{
			Plugin: m.Plugin, Steps: m.Steps, Address: m.Address, PID: int(m.Pid), Protocol: m.Protocol, SDKVersion: m.SdkVersion,
			Progress: func(ev engine.Event) {
				told.tell(&hostv1.AttachResponse{What: &hostv1.AttachResponse_Phase{Phase: toEvent(Event{Event: ev})}})
			},
			Attached: func(steps []AttachedStep) {
				told.tell(&hostv1.AttachResponse{What: &hostv1.AttachResponse_Attached{Attached: toAttached(steps)}})
			},
		})
	}()
	var gone error
	for message := range told.heard { // to the end: the attachment ends with ctx
		if gone == nil {
			gone = stream.Send(message)
		}
	}
	if failed != nil {
		return s.whyNot(failed)
	}
	return gone
}

func toAttached(steps []AttachedStep) *hostv1.Attached {
	out := &hostv1.Attached{}
	for _, step := range steps {
		out.Steps = append(out.Steps, &hostv1.AttachedStep{Step: step.Step, Checkpoint: step.Checkpoint, Block: step.Block})
	}
	return out
}
