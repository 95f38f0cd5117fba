package recorded_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/host/internal/chain/recorded"
	"github.com/penstock-io/penstock/sdk/chain"
)

// A recording is bounded, and what is in it by then can be read.
func TestFullRecording(t *testing.T) {
	n := &node{answers: map[string]chain.Result{
		`eth_getBlockByNumber["0x5",false]`: {Raw: []byte(block(5))}, `eth_getBlockByNumber["0x6",false]`: {Raw: []byte(block(6))},
	}}
	r, dir := recorder(t, n, int64(len(block(5))+150))
	ask(t, r, `eth_getBlockByNumber["0x5",false]`)
	var broken error
	r.Broken = func(err error) { broken = err }
	_, err := r.Exchange(t.Context(), chain.Request{Calls: []chain.Query{{Method: "eth_getBlockByNumber", Params: []byte(`["0x6",false]`)}}})
	full := (*recorded.FullError)(nil)
	if !errors.As(err, &full) || full.Dir != dir || !errors.Is(broken, err) {
		t.Fatalf("got %v and was told %v", err, broken)
	}
	if err := r.Writer.Close(); err != nil {
		t.Fatal(err)
	}
	if a, err := recorded.Open(dir); err != nil || a.Last() != 5 {
		t.Errorf("got %v", err)
	}
}

// What is there already is added to, and counts towards the size; of the same call
// the newer answer counts. Chains are not mixed.
func TestRecordingIsAddedTo(t *testing.T) {
	n := &node{answers: map[string]chain.Result{`eth_chainId[]`: {Raw: []byte(`"0x7"`)}, `eth_getCode["0x1"]`: {Raw: []byte(`"0x01"`)}}}
	r, dir := recorder(t, n, 1<<20)
	ask(t, r, `eth_chainId[]`, `eth_getCode["0x1"]`)
	if err := r.Writer.Close(); err != nil {
		t.Fatal(err)
	}
	before := r.Writer.Written().Bytes
	add := func(chainID string) error {
		w, err := recorded.Create(dir, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Written().Bytes; got < before {
			t.Errorf("a recording of %d bytes counts as %d", before, got)
		}
		n.answers[`eth_chainId[]`] = chain.Result{Raw: []byte(chainID)}
		n.answers[`eth_getCode["0x1"]`] = chain.Result{Raw: []byte(`"0x02"`)}
		ask(t, &recorded.Recorder{Service: n, Writer: w}, `eth_chainId[]`, `eth_getCode["0x1"]`)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		a, err := recorded.Open(dir)
		if err != nil {
			return err
		}
		if got, err := a.Answer(t.Context(), "eth_getCode", []byte(`["0x1"]`)); string(got) != `"0x02"` {
			t.Errorf("got %s and %v", got, err)
		}
		return nil
	}
	if err := add(`"0x7"`); err != nil {
		t.Error(err)
	}
	if err := add(`"0x8"`); err == nil || !strings.Contains(err.Error(), `answers-000003.json: it was recorded of chain "0x8", and others in the directory of chain "0x7"`) {
		t.Errorf("two chains: got %v", err)
	}
}

// The head of two recordings is that of the later blocks, whichever was made last.
func TestHeadOfTwoRecordings(t *testing.T) {
	dir := t.TempDir()
	for i, number := range []int{9, 5} {
		write(t, dir, fmt.Sprintf("%d.json", i), fmt.Sprintf(`[{"request":{"method":"eth_blockNumber"},"response":{"result":"0x%x"}},
			{"request":{"method":"eth_getBlockByNumber","params":["0x%x",false]},"response":{"result":%s}}]`, number, number, block(number)))
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.Answer(t.Context(), "eth_blockNumber", nil); a.Last() != 9 || string(got) != `"0x9"` {
		t.Errorf("the head is %d, and %s (%v), want 9", a.Last(), got, err)
	}
}

// Large recordings are many files; none is there in part.
func TestManyFiles(t *testing.T) {
	n := &node{answers: map[string]chain.Result{}}
	r, dir := recorder(t, n, 1<<30)
	long := strings.Repeat("ab", 1<<20)
	for i := range 5 {
		call := fmt.Sprintf(`eth_getCode["0x%x"]`, i)
		n.answers[call] = chain.Result{Raw: []byte(`"0x` + long + `"`)}
		ask(t, r, call)
	}
	if err := r.Writer.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 3 || got[0] != "answers-000001.json" {
		t.Errorf("got %v", got)
	}
	a, err := recorded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if got, err := a.Answer(t.Context(), "eth_getCode", fmt.Appendf(nil, `["0x%x"]`, i)); err != nil || len(got) != 2*(1<<20)+4 {
			t.Errorf("%d: got %d bytes and %v", i, len(got), err)
		}
	}
}

func TestWhereNothingIsRecorded(t *testing.T) {
	dir := world(t)
	if _, err := recorded.Create(dir, 1); err == nil || !strings.Contains(err.Error(), "which is no part of a recording") {
		t.Errorf("a directory with files: got %v", err)
	}
	if _, err := recorded.Create(filepath.Join(dir, "README.md"), 1); err == nil {
		t.Error("a file is taken for a directory")
	}
	r, dir := recorder(t, &node{answers: map[string]chain.Result{`eth_chainId[]`: {Raw: []byte(`"0x7"`)}}}, 1<<20)
	ask(t, r, `eth_chainId[]`)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := r.Writer.Close(); err == nil || !strings.Contains(err.Error(), "record answers") {
		t.Errorf("a directory that has gone: got %v", err)
	}
}
