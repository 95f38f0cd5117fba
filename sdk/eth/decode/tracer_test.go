package decode_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/eth/tracers"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native"
	"github.com/ethereum/go-ethereum/params"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

// push and the functions after it write code.
func push(b ...byte) []byte { return append([]byte{byte(vm.PUSH1) - 1 + byte(len(b))}, b...) }

// calling calls a contract with nothing and drops what comes back.
func calling(op vm.OpCode, to common.Address) []byte {
	var code []byte
	for range 4 {
		code = append(code, push(0)...)
	}
	if op == vm.CALL || op == vm.CALLCODE {
		code = append(code, push(0)...)
	}
	return append(append(append(code, push(to[:]...)...), push(0xff, 0xff)...), byte(op), byte(vm.POP))
}

// What go-ethereum's own tracer writes becomes rows: of calls of all kinds, some of which fail.
func TestGoEthereumsCallTracer(t *testing.T) {
	var (
		outer, middle, failing, dying = addressOf(101), addressOf(102), addressOf(103), addressOf(104)
		create                        = bytes.Join([][]byte{push(0xfe), push(0), {byte(vm.MSTORE8)}, push(1), push(0), push(0), {byte(vm.CREATE), byte(vm.POP)}}, nil)
		codes                         = map[common.Address][]byte{
			outer:   bytes.Join([][]byte{calling(vm.CALL, middle), calling(vm.DELEGATECALL, failing), calling(vm.CALL, dying), create, {byte(vm.STOP)}}, nil),
			middle:  bytes.Join([][]byte{calling(vm.STATICCALL, addressOf(200)), calling(vm.CALLCODE, addressOf(201)), {byte(vm.STOP)}}, nil),
			failing: bytes.Join([][]byte{calling(vm.CALL, addressOf(202)), push(0), push(0), {byte(vm.REVERT)}}, nil),
			dying:   append(push(addressOf(203).Bytes()...), byte(vm.SELFDESTRUCT)),
		}
	)
	tracer, err := tracers.DefaultDirectory.New("callTracer", &tracers.Context{}, nil, params.AllDevChainProtocolChanges)
	if err != nil {
		t.Fatal(err)
	}
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	for address, code := range codes {
		db.CreateAccount(address)
		db.SetCode(address, code, 0)
	}
	_, _, err = runtime.Call(outer, []byte{1, 2}, &runtime.Config{ChainConfig: params.AllDevChainProtocolChanges, State: db, GasLimit: 5_000_000, EVMConfig: vm.Config{Tracer: tracer.Hooks}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := tracer.GetResult()
	if err != nil {
		t.Fatal(err)
	}
	answer := encode(t, []any{map[string]any{"txHash": hashOf(5), "result": tree}})
	d := decode.Decoder{ChainID: 7}
	rows, err := d.CallTraces(answer, &eth.Header{BlockNumber: 3, BlockHash: hashOf(4)}, []common.Hash{hashOf(5)})
	if err != nil {
		t.Fatalf("%v\n%s", err, answer)
	}
	var got strings.Builder
	for i := range rows {
		r := &rows[i]
		fmt.Fprintln(&got, r.TraceAddress, r.TraceType, r.CallType, r.Subtraces, r.Status, r.Error, r.To != nil, len(r.Init), *r.TransactionIndex)
	}
	want := `[] call call 4 1  true 0 0
[0] call call 2 1  true 0 0
[0 0] call staticcall 0 1  true 0 0
[0 1] call callcode 0 1  true 0 0
[1] call delegatecall 1 0 execution reverted true 0 0
[1 0] call call 0 0  true 0 0
[2] call call 1 1  true 0 0
[2 0] suicide  0 1  true 0 0
[3] create  0 0 invalid opcode: INVALID false 1 0
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s%s", got.String(), want, answer)
	}
	if *rows[2].From != middle || *rows[2].To != addressOf(200) || *rows[7].From != dying || *rows[7].To != addressOf(203) || *rows[5].From != outer || string(rows[0].Input) != "\x01\x02" {
		t.Errorf("who called whom:\n%s", answer)
	}
}
