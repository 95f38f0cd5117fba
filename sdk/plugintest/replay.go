package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/recording"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Replay plays a recording, which penstock record has made, to a register, and
// fails the test with the first rows that are not as recorded. So what flowed
// through a pipeline becomes a golden test:
//
//	func TestAsRecorded(t *testing.T) {
//		plugintest.Replay(t, sdk.Subscriber("whale.alert", &whale{}), "testdata/alerts.rec")
//	}
//
// The register is opened with the recorded snapshot and settings, and with those of
// set in their place: what is sensitive is not recorded, and has to be set. A loader
// begins anew, and says no rows: that it takes all of them, and answers every
// barrier, is what is tested. What it writes has to be set to a place of the test's.
// When rows are to be others from now on, penstock replay --update rewrites the file.
func Replay(t TB, register sdk.Register, file string, set ...map[string]any) {
	t.Helper()
	r, err := recording.Open(file)
	if err != nil {
		t.Fatalf("plugintest: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() })
	spec := register.Internal()
	if spec.Name != r.Header.Register {
		t.Fatalf("plugintest: %s is a recording of register %s, not of %s", file, r.Header.Register, spec.Name)
	}
	settings := replayed(t, r, spec, set)
	p := Run(t, register)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	stream, err := p.client.Process(ctx)
	if err != nil {
		t.Fatalf("plugintest: open %s: %v", spec.Name, err)
	}
	output := openAsRecorded(t, stream, r, settings)
	result, err := recording.Replay(ctx, r, &played{stream, cancel}, recording.Options{Output: output, Patience: Patience})
	if err != nil {
		t.Fatalf("plugintest: replay %s to %s: %v", file, spec.Name, err)
	}
	if result.Equal() {
		return
	}
	var text strings.Builder
	_, _ = result.WriteTo(&text) // a builder takes everything
	t.Fatalf("plugintest: replay %s to %s: %s\n%s", file, spec.Name, result.Summary(), text.String())
}

// replayed are the settings that a recording is played with.
func replayed(t TB, r *recording.Recording, spec process.Register, set []map[string]any) json.RawMessage {
	t.Helper()
	all := make(map[string]json.RawMessage)
	for _, some := range set {
		for name, value := range some {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatalf("plugintest: write setting %s as JSON: %v", name, err)
			}
			maps.Copy(all, map[string]json.RawMessage{name: text})
		}
	}
	if missing := r.Header.Missing(all); len(missing) > 0 {
		t.Fatalf("plugintest: %s was left out of the recording, because it is sensitive: set it", strings.Join(missing, ", "))
	}
	for _, attribute := range spec.Settings.GetAttributes() {
		if _, named := all[attribute.Name]; attribute.Access == pluginv1.Access_ACCESS_WRITE && !named {
			t.Fatalf("plugintest: %s writes what its setting %s names: set it to a place of the test's", spec.Name, attribute.Name)
		}
	}
	settings, err := r.Header.With(all)
	if err != nil {
		t.Fatalf("plugintest: %v", err)
	}
	return settings
}

// openAsRecorded opens the process and returns the type of its output.
func openAsRecorded(t TB, stream wire.ClientStream, r *recording.Recording, settings json.RawMessage) transit.Type {
	t.Helper()
	first := &wire.Frame{Kind: pluginv1.Kind_KIND_OPEN, Generation: recording.Generation, Open: r.OpenMessage(settings)}
	if s := r.Snapshot; s != nil {
		first.Snapshot = &pluginv1.Snapshot{Version: s.Version, State: s.State}
	}
	if err := stream.Send(first); err != nil && !errors.Is(err, io.EOF) { // EOF: the answer tells why
		t.Fatalf("plugintest: open %s: %v", r.Header.Register, err)
	}
	f, err := stream.Recv()
	if err != nil {
		t.Fatalf("plugintest: open %s: %v", r.Header.Register, err)
	}
	defer f.Free()
	if f.Kind == pluginv1.Kind_KIND_FAILED {
		t.Fatalf("plugintest: open %s: %s", r.Header.Register, failureOf(f))
	}
	if f.Opened == nil {
		t.Fatalf("plugintest: open %s: it answered with a frame of kind %s", r.Header.Register, f.Kind)
	}
	return outputOf(f.Opened)
}

// played is a stream that can be cancelled.
type played struct {
	wire.ClientStream
	cancel context.CancelFunc
}

// Cancel ends the stream at once.
func (p *played) Cancel() { p.cancel() }
