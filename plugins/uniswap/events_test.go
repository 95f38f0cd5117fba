package main

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
)

// What a block explorer shows as the first topic of the two events.
const (
	swapTopic = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822"
	syncTopic = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"
)

var (
	pairA     = common.HexToAddress("0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc")
	pairB     = common.HexToAddress("0x0d4a11d5EEaaC28EC3F61d100daF4d40471f1852")
	sender    = common.HexToAddress("0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D")
	recipient = common.HexToAddress("0x00000000000000000000000000000000000000aa")
	at        = time.Date(2024, 1, 13, 12, 0, 11, 0, time.UTC)
)

// packed is the data of an event as go-ethereum's own encoder writes it.
func packed(t *testing.T, kind string, values ...int64) []byte {
	t.Helper()
	typ, err := abi.NewType(kind, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var arguments abi.Arguments
	var args []any
	for _, v := range values {
		arguments = append(arguments, abi.Argument{Type: typ})
		args = append(args, big.NewInt(v))
	}
	data, err := arguments.Pack(args...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func swapLog(t *testing.T) log {
	t.Helper()
	return log{
		BlockNumber: 19_000_000, BlockHash: common.Hash{1}, Timestamp: at, TransactionHash: common.Hash{2}, LogIndex: 7, Address: pairA,
		Topics: []common.Hash{common.HexToHash(swapTopic), common.BytesToHash(sender[:]), common.BytesToHash(recipient[:])},
		Data:   packed(t, "uint256", 1_000, 0, 0, 2_520),
	}
}

func syncLog(t *testing.T) log {
	t.Helper()
	return log{
		BlockNumber: 19_000_000, BlockHash: common.Hash{1}, Timestamp: at, TransactionHash: common.Hash{2}, LogIndex: 6, Address: pairA,
		Topics: []common.Hash{common.HexToHash(syncTopic)},
		Data:   packed(t, "uint112", 50_000, 126_000),
	}
}

func started[S interface {
	*swaps | *reserves
	sdk.Starter
}](t *testing.T, s S) S {
	t.Helper()
	if err := s.Start(t.Context(), sdk.Start{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func decodeSwaps(t *testing.T, s *swaps, logs ...log) []swap {
	t.Helper()
	var out []swap
	for _, l := range logs {
		if err := started(t, s).Transform(t.Context(), l, func(row swap) error { out = append(out, row); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func decodeReserves(t *testing.T, r *reserves, logs ...log) []reserve {
	t.Helper()
	var out []reserve
	for _, l := range logs {
		if err := started(t, r).Transform(t.Context(), l, func(row reserve) error { out = append(out, row); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestSwapSaysWhatItsLogSays(t *testing.T) {
	want := []swap{{
		BlockNumber: 19_000_000, BlockHash: common.Hash{1}, Timestamp: at, TransactionHash: common.Hash{2}, LogIndex: 7,
		Pair: pairA, Sender: sender, Recipient: recipient,
		Amount0In: *uint256.NewInt(1_000), Amount1Out: *uint256.NewInt(2_520),
	}}
	if diff := cmp.Diff(want, decodeSwaps(t, &swaps{}, swapLog(t))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEachAmountStandsInItsColumn(t *testing.T) {
	l := swapLog(t)
	l.Data = packed(t, "uint256", 1, 2, 3, 4)
	got := decodeSwaps(t, &swaps{}, l)[0]
	if got.Amount0In.Uint64() != 1 || got.Amount1In.Uint64() != 2 || got.Amount0Out.Uint64() != 3 || got.Amount1Out.Uint64() != 4 {
		t.Errorf("got in %s, %s, out %s, %s; want in 1, 2, out 3, 4", &got.Amount0In, &got.Amount1In, &got.Amount0Out, &got.Amount1Out)
	}
}

func TestReservesSayWhatTheirLogSays(t *testing.T) {
	want := []reserve{{
		BlockNumber: 19_000_000, BlockHash: common.Hash{1}, Timestamp: at, TransactionHash: common.Hash{2}, LogIndex: 6,
		Pair: pairA, Reserve0: *uint256.NewInt(50_000), Reserve1: *uint256.NewInt(126_000),
	}}
	if diff := cmp.Diff(want, decodeReserves(t, &reserves{}, syncLog(t))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOtherLogsArePassedOver(t *testing.T) {
	dirty := common.BytesToHash(sender[:])
	dirty[11] = 1
	tests := map[string]func(l *log){
		"an anonymous event":              func(l *log) { l.Topics = nil },
		"another event":                   func(l *log) { l.Topics[0] = common.Hash{1} },
		"a topic too few":                 func(l *log) { l.Topics = l.Topics[:len(l.Topics)-1] },
		"a topic too many":                func(l *log) { l.Topics = append(l.Topics, common.Hash{}) },
		"no data":                         func(l *log) { l.Data = nil },
		"a byte too few":                  func(l *log) { l.Data = l.Data[:len(l.Data)-1] },
		"a word too many":                 func(l *log) { l.Data = append(l.Data, make([]byte, 32)...) },
		"a sender that is no address":     func(l *log) { l.Topics = append(l.Topics[:1:1], dirty, common.Hash{}) },
		"a recipient that is no address":  func(l *log) { l.Topics = append(l.Topics[:1:1], common.Hash{}, dirty) },
		"a reserve of more than 112 bits": func(l *log) { l.Topics[0] = common.HexToHash(syncTopic); l.Data[32+17] = 1 },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			l, s := swapLog(t), syncLog(t)
			spoil(&l)
			spoil(&s)
			if got := decodeSwaps(t, &swaps{}, l); len(got) > 0 {
				t.Errorf("uniswap.swaps emits %v, want nothing", got)
			}
			if got := decodeReserves(t, &reserves{}, s); len(got) > 0 {
				t.Errorf("uniswap.reserves emits %v, want nothing", got)
			}
		})
	}
}

func TestLargestReserveIsTaken(t *testing.T) {
	l := syncLog(t)
	copy(l.Data[18:32], strings.Repeat("\xff", 14))
	want := new(uint256.Int).SubUint64(new(uint256.Int).Lsh(uint256.NewInt(1), 112), 1)
	if got := decodeReserves(t, &reserves{}, l); len(got) != 1 || !got[0].Reserve0.Eq(want) {
		t.Errorf("got %v, want one with %s", got, want)
	}
}

func TestPairsLimitWhatIsDecoded(t *testing.T) {
	mine, other, sync := swapLog(t), swapLog(t), syncLog(t)
	other.Address, sync.Address = pairB, pairB
	only := chosen{Pairs: []common.Address{pairA}}
	if got := decodeSwaps(t, &swaps{only}, other, mine); len(got) != 1 || got[0].Pair != pairA {
		t.Errorf("got %v, want the swap in %s", got, pairA)
	}
	if got := decodeReserves(t, &reserves{only}, sync); len(got) > 0 {
		t.Errorf("got %v, want nothing", got)
	}
}
