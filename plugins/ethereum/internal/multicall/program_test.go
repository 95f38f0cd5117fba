package multicall

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// byzantium has no rule that is younger.
var byzantium = &params.ChainConfig{
	ChainID: big.NewInt(1), HomesteadBlock: new(big.Int), EIP150Block: new(big.Int), EIP155Block: new(big.Int), EIP158Block: new(big.Int), ByzantiumBlock: new(big.Int),
}

// world is a state with programs at some addresses.
func world(t *testing.T, code map[common.Address]program) *runtime.Config {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	for address, bytes := range code {
		db.SetCode(address, bytes, tracing.CodeChangeUnspecified)
	}
	db.SetBalance(common.Address{0xaa}, uint256.NewInt(77), tracing.BalanceChangeUnspecified)
	return &runtime.Config{ChainConfig: byzantium, State: db, GasLimit: 10_000_000, Difficulty: new(big.Int)}
}

var (
	echoes  = common.Address{1, 1}
	reverts = common.Address{1, 2}
	burns   = common.Address{1, 3}
)

func contracts() map[common.Address]program {
	return map[common.Address]program{
		home:    callsProgram(),
		echoes:  assemble("36 6000 6000 37 36 6000 f3"), // returns its input
		reverts: assemble("36 6000 6000 37 36 6000 fd"), // reverts with its input
		burns:   assemble("fe"),
	}
}

// Every call has its record, whatever became of those before it.
func TestCallsProgram(t *testing.T) {
	cfg := world(t, contracts())
	long := bytes.Repeat([]byte{7}, 1000)
	calls := []Call{{echoes, []byte{1, 2, 3}}, {reverts, []byte("no")}, {common.Address{9}, nil}, {echoes, long}, {burns, []byte{1}}, {echoes, nil}, {reverts, nil}, {echoes, []byte{5}}}
	raw, _, err := runtime.Call(home, pack(calls), cfg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpack(raw, len(calls))
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{Success: true, Output: []byte{1, 2, 3}}, {Output: []byte("no")}, {Success: true}, {Success: true, Output: long}, {}, {Success: true}, {}, {Success: true, Output: []byte{5}},
	}
	for i := range want {
		if got[i].Success != want[i].Success || !bytes.Equal(got[i].Output, want[i].Output) {
			t.Errorf("call %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
	if raw, _, err := runtime.Call(home, nil, cfg); err != nil || len(raw) != 0 {
		t.Errorf("no calls: %x, %v", raw, err)
	}
}

func TestBalancesProgram(t *testing.T) {
	cfg := world(t, map[common.Address]program{home: balancesProgram()})
	raw, _, err := runtime.Call(home, packAddresses([]common.Address{{0xbb}, {0xaa}, {0xcc}}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpackWords(raw, 3)
	if err != nil || got[0].Sign() != 0 || got[1].Uint64() != 77 || got[2].Sign() != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

// Bytes of something else are not taken for an answer.
func TestForeignAnswers(t *testing.T) {
	for _, raw := range [][]byte{nil, {1}, {2, 0, 0, 0, 0}, {1, 0, 0, 0, 1}, {1, 255, 255, 255, 255}, {1, 0, 0, 0, 0, 1}} {
		if out, err := unpack(raw, 1); err == nil {
			t.Errorf("%x was taken for %+v", raw, out)
		}
	}
	if _, err := unpackWords(make([]byte, 33), 1); err == nil {
		t.Error("33 bytes were taken for a word")
	}
}
