package sdk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
)

type keepsState struct{ seen []byte }

func (c *keepsState) Transform(_ context.Context, n keptWord, emit func(keptWord) error) error {
	return emit(n)
}

func (c *keepsState) Snapshot() ([]byte, error) { return c.seen, nil }

func (c *keepsState) Restore(state []byte) error {
	c.seen = state
	return nil
}

type keptWord struct{ Text string }

func (keptWord) TransitType() string { return "test.word" }

// A state of an older version goes through every upgrade from there on.
func TestAnOlderStateIsUpgraded(t *testing.T) {
	add := func(text string) func([]byte) ([]byte, error) {
		return func(older []byte) ([]byte, error) { return append(older, text...), nil }
	}
	spec := sdk.Subscriber("test.counter", &keepsState{}).Snapshots(4, add(" 3"), add(" 4")).Internal()
	if spec.Err != nil || spec.Version != 4 || spec.Oldest != 2 {
		t.Fatalf("version %d, oldest %d, %v", spec.Version, spec.Oldest, spec.Err)
	}
	for version, want := range map[uint32]string{2: "state 3 4", 3: "state 4", 4: "state"} {
		worker, _ := spec.New([]byte("{}"))
		if err := worker.Restore(version, []byte("state")); err != nil {
			t.Fatal(err)
		}
		got, err := worker.(interface {
			Barrier(ctx context.Context, checkpoint uint64) ([]byte, error)
		}).Barrier(t.Context(), 1)
		if err != nil || string(got) != want {
			t.Errorf("version %d became %q, %v; want %q", version, got, err, want)
		}
	}
}

func TestSnapshotsRefusesWhatMakesNoSense(t *testing.T) {
	none := func(older []byte) ([]byte, error) { return older, nil }
	for _, r := range []sdk.Register{
		sdk.Subscriber("test.counter", &keepsState{}).Snapshots(0),
		sdk.Subscriber("test.counter", &keepsState{}).Snapshots(1, none),
	} {
		if err := r.Internal().Err; err == nil || !strings.Contains(err.Error(), "versions begin with 1") {
			t.Errorf("got %v", err)
		}
	}
}
