package estimate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/penstock-io/penstock/host/internal/estimate"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/digest"
)

// answers answers every call with ten bytes.
type answers struct{ chain.Service }

func (answers) Exchange(_ context.Context, r chain.Request) ([]chain.Result, error) {
	out := make([]chain.Result, len(r.Calls))
	for i, q := range r.Calls {
		out[i].Raw = make([]byte, 10)
		if q.Method == "eth_bad" {
			out[i] = chain.Result{Err: &chain.Error{Err: errors.New("no")}}
		}
	}
	return out, nil
}

// reader asks for two things of every block, one of every range, and some that do
// not depend on how much is read.
func reader(t *testing.T, m *estimate.Meter, seen *[]digest.Range) func(context.Context, uint64, uint64) ([]digest.Range, error) {
	t.Helper()
	return func(ctx context.Context, from, to uint64) ([]digest.Range, error) {
		*seen = append(*seen, digest.Range{From: from, To: to})
		r := chain.Request{Calls: []chain.Query{
			{Method: "eth_chainId"}, {Method: "eth_getBlockByNumber", Params: []byte(`["latest",false]`)}, {Method: "eth_getLogs", Params: []byte(`[{}]`)}, {Method: "eth_bad"},
		}}
		for n := from; n <= to; n++ {
			at := fmt.Appendf(nil, `["0x%x",true]`, n)
			r.Calls = append(r.Calls, chain.Query{Method: "eth_getBlockByNumber", Params: at}, chain.Query{Method: "eth_getBlockReceipts", Params: at})
		}
		_, err := m.Exchange(ctx, r)
		return []digest.Range{{Rows: 3 * (to - from + 1)}}, err
	}
}

func TestSamplesAreProjected(t *testing.T) {
	m, seen := &estimate.Meter{Service: answers{}}, []digest.Range(nil)
	got, err := estimate.Run(t.Context(), estimate.Config{
		From: 1_000_000, To: 1_999_999, Samples: 4, Blocks: 100, Read: reader(t, m, &seen), Meter: m,
		Units: map[string]float64{"eth_getLogs": 75, "eth_getBlockReceipts": 2}, Price: 0.5,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &estimate.Estimate{
		From: 1_000_000, To: 1_999_999, Blocks: 1_000_000, Sampled: 400, Rows: 3_000_000,
		Calls: map[string]uint64{"eth_getBlockByNumber": 1_000_000, "eth_getBlockReceipts": 1_000_000, "eth_getLogs": 10_000},
		Units: 1_000_000 + 2_000_000 + 750_000, Bytes: 20_100_000, Cost: 1_875_000,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(estimate.Estimate{}, "Least", "Most")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Least > got.Most || got.Most <= 0 {
		t.Errorf("it takes from %s to %s", got.Least, got.Most)
	}
	for i, s := range seen {
		if s.To-s.From != 99 || s.From < 1_000_000+uint64(i)*250_000 || s.To >= 1_250_000+uint64(i)*250_000 {
			t.Errorf("sample %d is of blocks %d to %d", i, s.From, s.To)
		}
	}
}

// A short range is read whole.
func TestShortRange(t *testing.T) {
	m, seen := &estimate.Meter{Service: answers{}}, []digest.Range(nil)
	got, err := estimate.Run(t.Context(), estimate.Config{From: 5, To: 44, Read: reader(t, m, &seen), Meter: m})
	if err != nil || len(seen) != 1 || got.Sampled != 40 || got.Rows != 120 || got.Calls["eth_getBlockReceipts"] != 40 || got.Cost != 0 {
		t.Errorf("got %+v and %v, read %v", got, err, seen)
	}
}

func TestWhatCannotBeEstimated(t *testing.T) {
	if _, err := estimate.Run(t.Context(), estimate.Config{From: 5, To: 4}); err == nil {
		t.Error("a range without blocks has an estimate")
	}
	broken := func(context.Context, uint64, uint64) ([]digest.Range, error) { return nil, errors.New("no node") }
	_, err := estimate.Run(t.Context(), estimate.Config{From: 5, To: 6, Read: broken, Meter: &estimate.Meter{}})
	if err == nil || !strings.Contains(err.Error(), "read blocks 5 to 6 as a sample: no node") {
		t.Errorf("got %v", err)
	}
}
