package sdk_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// startAt is a place with so many rows of each input before it.
func startAt(checkpoint, forks, swaps, blocks uint64) sdk.Start {
	return sdk.Start{
		Domain: "main", Step: "hook", Checkpoint: checkpoint, Forks: forks, Generation: checkpoint + forks,
		Inputs: []sdk.Input{{Name: "swaps", Rows: swaps}, {Name: "blocks", Rows: blocks}},
	}
}

// take is the next keys of an input whose rows have some contents.
func take(k *sdk.Keys, input int, contents ...string) (keys []sdk.Key) {
	for _, content := range contents {
		keys = append(keys, k.Next(input, []byte(content)))
	}
	return keys
}

func wantKeys(t *testing.T, got []sdk.Key, want ...sdk.Key) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// The digests are as sha256sum computes them: printf a | sha256sum
func TestKeysCountTheRowsOfEachInput(t *testing.T) {
	var k sdk.Keys
	k.Begin(startAt(7, 2, 0, 41))
	keys := append(take(&k, 0, "a", "a"), take(&k, 1, "a", "")...)
	keys = append(keys, take(&k, 0, "b")...)
	var texts []string
	for _, key := range keys {
		texts = append(texts, key.String())
	}
	if diff := cmp.Diff([]string{
		"main/hook/swaps/0/ca978112ca1bbdcafac231b39a23dc4d",
		"main/hook/swaps/1/ca978112ca1bbdcafac231b39a23dc4d",
		"main/hook/blocks/41/ca978112ca1bbdcafac231b39a23dc4d",
		"main/hook/blocks/42/e3b0c44298fc1c149afbf4c8996fb924",
		"main/hook/swaps/2/3e23e8160039594a33894f6564e1b134",
	}, texts); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// Where the checkpoints of before and after lie makes no difference.
func TestKeysComeAgainAfterACrash(t *testing.T) {
	var before, after sdk.Keys
	before.Begin(startAt(0, 0, 0, 0))
	swaps, blocks := take(&before, 0, "a", "b", "c", "d"), take(&before, 1, "1", "2", "3")
	for at := range uint64(3) {
		after.Begin(startAt(9, 3, at, at))
		wantKeys(t, take(&after, 0, []string{"a", "b", "c", "d"}[at:]...), swaps[at:]...)
		wantKeys(t, take(&after, 1, []string{"1", "2", "3"}[at:]...), blocks[at:]...)
	}
}

// After a reorganisation and in a domain that begins anew, rows that are the
// same have the keys that they had, and rows that are not have others. Nobody
// has to notice the reorganisation.
func TestOtherRowsHaveOtherKeys(t *testing.T) {
	for name, start := range map[string]sdk.Start{
		"taken back": startAt(5, 1, 1, 0), "unnoticed": startAt(5, 0, 1, 0), "anew": startAt(0, 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after sdk.Keys
			before.Begin(startAt(0, 0, 0, 0))
			old := take(&before, 0, "a", "b", "c", "d", "e")
			after.Begin(start)
			first := start.Inputs[0].Rows
			got := take(&after, 0, []string{"a", "b", "x", "c", "e"}[first:]...)
			for i, same := range []bool{true, true, false, false, true}[first:] {
				if key := old[int(first)+i]; (got[i] == key) != same {
					t.Errorf("row %d had the key %s and has %s now", int(first)+i, key, got[i])
				}
			}
			seen := map[sdk.Key]bool{}
			for _, key := range got {
				if seen[key] {
					t.Errorf("%s is the key of two rows", key)
				}
				seen[key] = true
			}
		})
	}
}

func TestNoTwoKeysHaveTheSameText(t *testing.T) {
	words := []string{"", "a", "a/1", "1", "a/1/2", `b["x/y"]`, "a%2F1", "é \n"}
	seen := map[string]sdk.Key{}
	for _, domain := range words {
		for _, step := range words {
			for _, input := range words {
				for n := range uint64(16) {
					k := sdk.Key{Domain: domain, Step: step, Input: input, Row: 10 + n&3, Digest: [16]byte{15: byte(n >> 2)}}
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
		content := fmt.Appendf(nil, "%#v", row)
		fmt.Println(q.keys.Next(0, content), "sells", row.Amount)
	}
	return nil
}

// A loader that cannot truncate gives each row a key, so that the receiver can
// tell those that come again.
func ExampleKeys() {
	t := newExample()
	defer t.end()
	p := plugintest.Run(t, sdk.Loader("queue", &queue{}))
	input := plugintest.Wire[Swap](t, "input")
	for _, before := range []uint64{6, 7} { // it goes on after the sixth row, then after the seventh
		input.Rows = before
		process := plugintest.Open(t, p, plugintest.Step{Register: "queue", Start: sdk.Start{
			Domain: "main", Step: "alerts", Checkpoint: before / 2, Inputs: []sdk.Input{input},
		}})
		plugintest.Send(process, "input", []Swap{{Amount: 10}, {Amount: 20}, {Amount: 30}}[before-6:]...)
		process.Barrier(4)
		process.Until(plugintest.Barrier)
		process.HangUp()
	}
	// Output:
	// main/alerts/test.input/6/7948e8b48dfd876e5b7717f0c8c325a4 sells 10
	// main/alerts/test.input/7/eb5549cbc8c18dcf595ec37c75b1d869 sells 20
	// main/alerts/test.input/8/bd580525661de8b79f72d92b6a9b38d8 sells 30
	// main/alerts/test.input/7/eb5549cbc8c18dcf595ec37c75b1d869 sells 20
	// main/alerts/test.input/8/bd580525661de8b79f72d92b6a9b38d8 sells 30
}
