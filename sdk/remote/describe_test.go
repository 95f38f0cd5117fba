package remote_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/remote"
)

func TestDescribe(t *testing.T) {
	d, err := start(t, config(t, "good")).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Version != "1.2.3" || d.SDKVersion != "0.1.0" || d.Protocol != 1 || len(d.Features) != 1 || len(d.Registers) != 2 {
		t.Fatalf("got %+v", d)
	}
	echo, sink := d.Registers[0], d.Registers[1]
	if echo.Name != "test.echo" || echo.Type != remote.Subscriber || echo.Doc != "Echoes." || !echo.Addressable || echo.ManyInputs ||
		len(echo.Inputs) != 1 || echo.Inputs[0].Name != "in" || echo.Dependencies[0] != "test.source" {
		t.Errorf("got %+v", echo)
	}
	if want := pingType().String(); echo.Output.String() != want || echo.Inputs[0].Type.String() != want {
		t.Errorf("types: got %s and %s, want %s", echo.Output, echo.Inputs[0].Type, want)
	}
	a := echo.Settings.Attributes[0]
	if a.Name != "path" || a.Type != "string" || a.Doc != "Where." || !a.Required || !a.Sensitive || string(a.Default) != `"x"` {
		t.Errorf("got %+v", a)
	}
	b := echo.Settings.Blocks[0]
	if b.Name != "retry" || !b.Many || !b.Required || b.Settings.Attributes[0].Name != "max" || b.Settings.Attributes[0].Default != nil {
		t.Errorf("got %+v", b)
	}
	if sink.Type != remote.Loader || !sink.ManyInputs || !sink.Inputs[0].Any || sink.Output.Name != "" {
		t.Errorf("got %+v", sink)
	}
}

// A panic in Describe or Configure is an answer, and the plugin lives on.
func TestPanicInACall(t *testing.T) {
	p := start(t, config(t, "good", "DESCRIBE=panic"))
	_, describe := p.Describe(t.Context())
	_, configure := p.Configure(t.Context(), "panic", nil)
	for name, err := range map[string]error{"describe": describe, "configure": configure} {
		var failure *remote.Failure
		if !errors.As(err, &failure) {
			t.Fatalf("%s: got %v, want a failure", name, err)
		}
		if failure.Message != "panic: boom in "+name || failure.Class != remote.ClassStop || !strings.Contains(failure.Stack, "service_test.go") {
			t.Errorf("%s: got %+v", name, failure)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the message contains the stack: %s", name, err)
		}
	}
	if got := ask(t, p, "something"); got[0] != "unknown" {
		t.Errorf("the plugin has suffered: %v", got)
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	p := start(t, config(t, "good", "DESCRIBE=hang"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Describe(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Describe: got %v, want %v", err, context.DeadlineExceeded)
	}
	if _, err := p.Configure(ctx, "hang", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Configure: got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestDescribeErrors(t *testing.T) {
	for how, says := range map[string]string{
		"error": "ask plugin tested to describe itself: the catalogue is closed",
		"huge":  "larger than max",
	} {
		_, err := start(t, config(t, "good", "DESCRIBE="+how)).Describe(t.Context())
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", how, err, says)
		}
	}
}
