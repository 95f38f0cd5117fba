package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// The numbers below are stored on disk and spoken by other programs: a change
// of any line here breaks them.
func TestNumbersAreFrozen(t *testing.T) {
	tests := []struct {
		name      string
		got, want uint8
		text      string
		wantText  string
	}{
		{"reader", uint8(registry.Reader), 1, registry.Reader.String(), "reader"},
		{"subscriber", uint8(registry.Subscriber), 2, registry.Subscriber.String(), "subscriber"},
		{"aggregator", uint8(registry.Aggregator), 3, registry.Aggregator.String(), "aggregator"},
		{"loader", uint8(registry.Loader), 4, registry.Loader.String(), "loader"},
		{"live", uint8(registry.Live), 1, registry.Live.String(), "live"},
		{"backtest", uint8(registry.Backtest), 2, registry.Backtest.String(), "backtest"},
		{"layer1", uint8(registry.Layer1), 1, registry.Layer1.String(), "layer1"},
		{"layer2", uint8(registry.Layer2), 2, registry.Layer2.String(), "layer2"},
	}
	for _, test := range tests {
		if test.got != test.want || test.text != test.wantText {
			t.Errorf("%s: got %d %q, want %d %q", test.name, test.got, test.text, test.want, test.wantText)
		}
	}
	for _, unknown := range []string{registry.ProcessType(0).String(), registry.PathType(3).String(), registry.Layer(9).String()} {
		if unknown != "unknown" {
			t.Errorf("String of a number that means nothing: got %q, want %q", unknown, "unknown")
		}
	}
}

func TestParseProcessType(t *testing.T) {
	for want := registry.Reader; want <= registry.Loader; want++ {
		if got, ok := registry.ParseProcessType(want.String()); !ok || got != want {
			t.Errorf("ParseProcessType(%q): got %v, %v", want, got, ok)
		}
	}
	if _, ok := registry.ParseProcessType("unknown"); ok {
		t.Error("ParseProcessType accepted a word that is no process type")
	}
}

func TestPIDBytes(t *testing.T) {
	log, _ := registry.FixedNumber("eth.logs")
	header, _ := registry.FixedNumber("eth.headers")
	subscriber := registry.NewPID(registry.Layer1, registry.Live, registry.Subscriber, log)
	reader := registry.NewPID(registry.Layer1, registry.Live, registry.Reader, header)

	if want := (registry.PID{1, 1, 2, 2}); subscriber != want {
		t.Errorf("live layer-1 log subscriber: got % x, want % x", subscriber[:], want[:])
	}
	if got, want := subscriber.String(), "01010202"; got != want {
		t.Errorf("String: got %s, want %s", got, want)
	}
	backtest := registry.NewPID(registry.Layer2, registry.Backtest, registry.Loader, 16)
	if got, want := backtest.String(), "02020410"; got != want {
		t.Errorf("String: got %s, want %s", got, want)
	}
	if backtest.Layer() != registry.Layer2 || backtest.PathType() != registry.Backtest ||
		backtest.ProcessType() != registry.Loader || backtest.Register() != 16 {
		t.Errorf("parts of %s: got %v %v %v %d", backtest, backtest.Layer(), backtest.PathType(), backtest.ProcessType(), backtest.Register())
	}

	path := registry.NewPathPID(registry.Live, subscriber, reader)
	if want := (registry.PathPID{1, 1, 1, 2, 2, 1, 1, 1, 1}); path != want {
		t.Errorf("path: got % x, want % x", path[:], want[:])
	}
	if got, want := path.String(), "010101020201010101"; got != want {
		t.Errorf("path String: got %s, want %s", got, want)
	}
	if path.PathType() != registry.Live || path.End() != subscriber || path.Reader() != reader {
		t.Errorf("parts of path: got %v %v %v", path.PathType(), path.End(), path.Reader())
	}
}

func TestIDsSurviveText(t *testing.T) {
	pid := registry.NewPID(registry.Layer1, registry.Live, registry.Reader, 1)
	want := struct {
		PID     registry.PID
		Path    registry.PathPID
		Process registry.ProcessID
		PathID  registry.PathID
	}{pid, registry.NewPathPID(registry.Live, pid, pid), registry.NewProcessID(pid), registry.NewPathID(registry.NewPathPID(registry.Live, pid, pid))}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := want
	got.Process, got.PathID, got.PID, got.Path = registry.ProcessID{}, registry.PathID{}, registry.PID{}, registry.PathPID{}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("after JSON: got %+v, want %+v", got, want)
	}
	if id := want.Process.String(); len(id) != len("01010101-")+36 || !strings.HasPrefix(id, "01010101-") {
		t.Errorf("process ID %q is not the PID and a whole UUID", id)
	}
	if again := registry.NewProcessID(pid); again == want.Process {
		t.Error("two processes got the same ID")
	}
}

func TestUnmarshalTextRefuses(t *testing.T) {
	var pid registry.PID
	var id registry.ProcessID
	for name, err := range map[string]error{
		"short":   pid.UnmarshalText([]byte("0101")),
		"not hex": pid.UnmarshalText([]byte("0101020x")),
		"no uuid": id.UnmarshalText([]byte("01010202")),
		"bad pid": id.UnmarshalText([]byte("01-6ba7b810-9dad-11d1-80b4-00c04fd430c8")),
		"bad id":  id.UnmarshalText([]byte("01010202-6ba7")),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
