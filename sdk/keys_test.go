package sdk_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

func startAt(checkpoint, forks uint64) sdk.Start {
	return sdk.Start{
		Domain: "main", Step: "hook", Checkpoint: checkpoint, Forks: forks,
		Inputs: []sdk.Input{{Name: "swaps"}, {Name: "blocks"}},
	}
}

// take is the text of the next keys of some inputs.
func take(k *sdk.Keys, inputs ...int) (texts []string) {
	for _, input := range inputs {
		texts = append(texts, k.Next(input).String())
	}
	return texts
}

func wantKeys(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestKeysCountEachInputSinceTheCheckpoint(t *testing.T) {
	var k sdk.Keys
	k.Begin(startAt(0, 0))
	wantKeys(t, take(&k, 0, 1, 0), "main/hook/0/0/swaps/1", "main/hook/0/0/blocks/1", "main/hook/0/0/swaps/2")
	k.Commit(sdk.Commit{}) // is part of no checkpoint
	wantKeys(t, take(&k, 0), "main/hook/0/0/swaps/3")
	k.Commit(sdk.Commit{Checkpoint: 7})
	wantKeys(t, take(&k, 0, 1), "main/hook/7/0/swaps/1", "main/hook/7/0/blocks/1")
}

func TestKeysComeAgainAfterACrash(t *testing.T) {
	var before, after sdk.Keys
	before.Begin(startAt(0, 2))
	take(&before, 0, 0, 1)
	before.Commit(sdk.Commit{Checkpoint: 3})
	sent := take(&before, 0, 1, 1, 0)
	before.Commit(sdk.Commit{Checkpoint: 4}) // which the host has not recorded when it dies

	after.Begin(startAt(3, 2))
	wantKeys(t, take(&after, 0, 1, 1, 0), sent...)

	after.Begin(startAt(3, 3)) // the same place, in a chain that has reorganised
	for i, key := range take(&after, 0, 1, 1, 0) {
		if key == sent[i] {
			t.Errorf("%s is the key of a row that may be another one", key)
		}
	}
}

func TestNoTwoKeysHaveTheSameText(t *testing.T) {
	words := []string{"", "a", "a/1", "1", "a/1/2", `b["x/y"]`, "a%2F1", "é \n"}
	seen := map[string]sdk.Key{}
	for _, domain := range words {
		for _, step := range words {
			for _, input := range words {
				for n := range uint64(16) {
					k := sdk.Key{Domain: domain, Step: step, Input: input, Checkpoint: n >> 3, Forks: n >> 2 & 1, Sequence: 10 + n&3}
					if other, ok := seen[k.String()]; ok {
						t.Fatalf("%s is %#v and %#v", k, other, k)
					}
					seen[k.String()] = k
				}
			}
		}
	}
	for text := range seen {
		for _, b := range []byte(text) {
			if b <= ' ' || b > '~' {
				t.Fatalf("%q has the byte %#x, which no header takes", text, b)
			}
		}
	}
}

// queue hands rows to somebody who cannot give them back.
type queue struct{ keys sdk.Keys }

func (q *queue) Start(_ context.Context, start sdk.Start) error {
	q.keys.Begin(start)
	return nil
}

func (q *queue) Load(_ context.Context, rows []Swap) error {
	for _, row := range rows {
		fmt.Println(q.keys.Next(0), "sells", row.Amount)
	}
	return nil
}

func (q *queue) Commit(_ context.Context, c sdk.Commit) error {
	q.keys.Commit(c)
	return nil
}

// A loader that cannot truncate gives each row a key, so that the receiver can
// tell those that come again.
func ExampleKeys() {
	t := newExample()
	defer t.end()
	p := plugintest.Run(t, sdk.Loader("queue", &queue{}))
	process := plugintest.Open(t, p, plugintest.Step{Register: "queue", Start: sdk.Start{
		Domain: "main", Step: "alerts", Checkpoint: 5, Inputs: []sdk.Input{plugintest.Wire[Swap](t, "input")},
	}})
	plugintest.Send(process, "input", Swap{Amount: 10}, Swap{Amount: 20})
	process.Barrier(6)
	process.Until(plugintest.Barrier)
	plugintest.Send(process, "input", Swap{Amount: 30})
	process.Barrier(7)
	process.Until(plugintest.Barrier)
	// Output:
	// main/alerts/5/0/test.input/1 sells 10
	// main/alerts/5/0/test.input/2 sells 20
	// main/alerts/6/0/test.input/1 sells 30
}
