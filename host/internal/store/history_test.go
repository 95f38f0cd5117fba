package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
)

func swapNumber(n uint64) store.SwapRecord {
	return store.SwapRecord{
		Number: n, Time: time.Unix(int64(n), 0).UTC(), Took: time.Second, Plugin: "uniswap", Source: "/new", Phase: "cut",
		Steps: []store.SwapStep{{
			Step: "swaps/uni", From: store.SwapBinary{Version: "1", Digest: "sha256:aa", Size: 5, Source: "/old"}, To: store.SwapBinary{Version: "2", Digest: "sha256:bb"},
		}},
		Outcome: store.SwapCommitted, Pause: 3 * time.Millisecond,
	}
}

func putSwaps(t *testing.T, s *store.Store, swaps ...store.SwapRecord) {
	t.Helper()
	for _, r := range swaps {
		if err := s.PutSwap(r); err != nil {
			t.Fatal(err)
		}
	}
}

func swapsOf(t *testing.T, s *store.Store) []store.SwapRecord {
	t.Helper()
	swaps, err := s.Swaps()
	if err != nil {
		t.Fatal(err)
	}
	return swaps
}

// What was swapped is remembered over restarts, and its numbers go on from there.
func TestSwapsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if n, err := s.NextSwap(); n != 1 || err != nil {
		t.Errorf("the first swap has the number %d and %v, want 1", n, err)
	}
	under := swapNumber(2)
	under.Outcome = store.SwapUnderWay
	putSwaps(t, s, swapNumber(1), under)
	closed(t, s)

	s = open(t, dir)
	defer closed(t, s)
	if n, err := s.NextSwap(); n != 3 || err != nil {
		t.Errorf("the next swap has the number %d and %v, want 3", n, err)
	}
	putSwaps(t, s, swapNumber(2))
	if diff := cmp.Diff([]store.SwapRecord{swapNumber(1), swapNumber(2)}, swapsOf(t, s)); diff != "" {
		t.Errorf("swaps (-want +got):\n%s", diff)
	}
	if err := s.PutSwap(store.SwapRecord{}); err == nil {
		t.Error("a swap without a number was kept")
	}
}

func TestOnlyTheNewestSwapsAreKept(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	for n := range uint64(store.MaxSwaps + 3) {
		putSwaps(t, s, swapNumber(n+1))
	}
	swaps := swapsOf(t, s)
	if len(swaps) != store.MaxSwaps || swaps[0].Number != 4 || swaps[len(swaps)-1].Number != store.MaxSwaps+3 {
		t.Errorf("%d swaps are kept, from %d to %d; want the newest %d", len(swaps), swaps[0].Number, swaps[len(swaps)-1].Number, store.MaxSwaps)
	}
}

// A record that is damaged is told of, takes no other one with it and leaves its
// number taken.
func TestDamagedSwapLeavesTheOthers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putSwaps(t, s, swapNumber(1), swapNumber(2), swapNumber(3))
	closed(t, s)
	edit(t, dir, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("swaps")).Put(numberKey(3), []byte("not a record"))
	})
	s = open(t, dir)
	defer closed(t, s)
	swaps, err := s.Swaps()
	if len(swaps) != 2 || !errors.As(err, new(*store.DamageError)) || !strings.Contains(err.Error(), "swap 3 in penstock.db is damaged") {
		t.Errorf("%d swaps and %v; want two and what is damaged", len(swaps), err)
	}
	if n, err := s.NextSwap(); n != 4 || err != nil {
		t.Errorf("the next swap has the number %d and %v, want 4", n, err)
	}
}
