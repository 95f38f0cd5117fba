package main

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// The rows of the readers fit, and those of the subscriber fit the aggregator.
func TestTypesFitEachOther(t *testing.T) {
	logs := plugintest.Wire[eth.Log](t, "").Type
	if err := logs.Fits(plugintest.Wire[log](t, "").Type); err != nil {
		t.Error(err)
	}
	blocks := plugintest.Wire[eth.Block](t, "").Type
	if err := blocks.Fits(plugintest.Wire[block](t, "").Type); err != nil {
		t.Error(err)
	}
	swaps := plugintest.Wire[swap](t, "").Type
	if err := swaps.Fits(plugintest.Wire[swapped](t, "").Type); err != nil {
		t.Error(err)
	}
	want := "uniswap.swap{block_number uint64, block_hash hash, timestamp timestamp, transaction_hash hash, log_index uint64, pair address, " +
		"sender address, recipient address, amount0_in uint256, amount1_in uint256, amount0_out uint256, amount1_out uint256}"
	if got := swaps.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want = "uniswap.reserve{block_number uint64, block_hash hash, timestamp timestamp, transaction_hash hash, log_index uint64, pair address, " +
		"reserve0 uint256, reserve1 uint256}"
	if got := plugintest.Wire[reserve](t, "").Type.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want = "uniswap.pair_total{block_number uint64, block_hash hash, timestamp timestamp, begin uint64, end uint64, pair address, " +
		"swaps uint64, volume0 uint256, volume1 uint256}"
	if got := plugintest.Wire[pairTotal](t, "").Type.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// logOf is the log of a swap as a reader emits it.
func logOf(t *testing.T, number, index uint64, pair common.Address, amounts ...int64) eth.Log {
	t.Helper()
	l := swapLog(t)
	return eth.Log{
		BlockNumber: number, BlockHash: hashOf(number), Timestamp: blockAt(number).Timestamp, TransactionHash: common.Hash{2}, LogIndex: index,
		Address: pair, Topics: l.Topics, Data: packed(t, "uint256", amounts...),
	}
}

// From the logs of a reader to the totals of pairs, over the wire.
func TestLogsBecomeTotals(t *testing.T) {
	p := plugintest.Run(t, registers()...)
	other := logOf(t, 11, 0, pairA, 1, 2, 3, 4)
	other.Topics = other.Topics[:2]
	decoded := plugintest.Transform[swap](t, p, "uniswap.swaps", `{"pairs":["`+pairA.Hex()+`"]}`, []eth.Log{
		logOf(t, 10, 0, pairA, 100, 0, 0, 250), logOf(t, 10, 1, pairB, 1, 0, 0, 1), other, logOf(t, 11, 1, pairA, 0, 7, 3, 0),
	})
	if len(decoded) != 2 || decoded[1].LogIndex != 1 || decoded[1].BlockNumber != 11 {
		t.Fatalf("got %v, want the two swaps in %s", decoded, pairA)
	}

	blocks := []eth.Block{{Header: header(10)}, {Header: header(11)}, {Header: header(12)}}
	total := func(number, begin, end, swaps, volume0, volume1 uint64) pairTotal {
		return pairTotal{
			BlockNumber: number, BlockHash: hashOf(number), Timestamp: blockAt(number).Timestamp, Begin: begin, End: end, Pair: pairA,
			Swaps: swaps, Volume0: *uint256.NewInt(volume0), Volume1: *uint256.NewInt(volume1),
		}
	}
	for name, tt := range map[string]struct {
		policy plugintest.Policy
		want   []pairTotal
	}{
		"by block":             {want: []pairTotal{total(10, 10, 10, 1, 100, 250), total(11, 11, 11, 1, 3, 7)}},
		"by epoch":             {plugintest.Policy{Size: 3, First: 10}, []pairTotal{total(12, 10, 12, 2, 103, 257)}},
		"by an epoch cut off":  {plugintest.Policy{Size: 5, First: 10}, []pairTotal{total(12, 10, 14, 2, 103, 257)}},
		"by epochs in between": {plugintest.Policy{Size: 2, First: 9}, []pairTotal{total(10, 9, 10, 1, 100, 250), total(12, 11, 12, 1, 3, 7)}},
	} {
		t.Run(name, func(t *testing.T) {
			got := plugintest.Aggregate[pairTotal](t, p, "uniswap.pair_totals", nil, tt.policy,
				plugintest.In(t, "blocks", blocks...), plugintest.In(t, "swaps", decoded...))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func header(number uint64) eth.Header {
	return eth.Header{BlockNumber: number, BlockHash: hashOf(number), Timestamp: blockAt(number).Timestamp}
}

func TestLogsBecomeReserves(t *testing.T) {
	p := plugintest.Run(t, registers()...)
	l := syncLog(t)
	got := plugintest.Transform[reserve](t, p, "uniswap.reserves", nil, []eth.Log{
		{BlockNumber: 7, Timestamp: time.Unix(0, 0), Address: pairB, Topics: l.Topics, Data: l.Data},
		{BlockNumber: 8, Timestamp: time.Unix(0, 0), Address: pairB},
	})
	if len(got) != 1 || got[0].Pair != pairB || got[0].Reserve1.Uint64() != 126_000 {
		t.Errorf("got %v, want the reserves of %s", got, pairB)
	}
}

// A pair that lies is put aside, and the host is told.
func TestPairThatLiesIsReported(t *testing.T) {
	liar := swap{BlockNumber: 5, BlockHash: hashOf(5), Timestamp: at, Pair: pairB}
	liar.Amount0In.SetAllOne()
	liar.Amount0Out.SetOne()
	process := plugintest.Open(t, plugintest.Run(t, registers()...), plugintest.Step{
		Register: "uniswap.pair_totals",
		Start:    sdk.Start{Inputs: []sdk.Input{plugintest.Wire[eth.Block](t, "blocks"), plugintest.Wire[swap](t, "swaps")}},
	})
	plugintest.Send(process, "blocks", eth.Block{Header: header(5)})
	plugintest.Send(process, "swaps", liar)
	process.End("blocks")
	process.End("swaps")
	var aside int
	for _, e := range process.Until(plugintest.Ended) {
		if e.What == plugintest.PutAside {
			aside += e.Count
		}
		if e.What == plugintest.Rows {
			t.Errorf("%d rows were emitted, want none", e.Count)
		}
	}
	if aside != 1 {
		t.Errorf("%d rows were put aside, want 1", aside)
	}
}

func TestPairsThatAreNoAddresses(t *testing.T) {
	p := plugintest.Run(t, registers()...)
	for _, settings := range []string{`{"pairs":["0x12"]}`, `{"pairs":"0x0d4a11d5EEaaC28EC3F61d100daF4d40471f1852"}`, `{"pair":[]}`} {
		if got := plugintest.Mistakes(t, p, "uniswap.swaps", settings); len(got) == 0 {
			t.Errorf("%s: nothing is wrong with it, want a mistake", settings)
		}
	}
}
