package decode_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
)

var (
	traceBlock = "0x" + strings.Repeat("b1", 32)
	traceTx    = "0x" + strings.Repeat("a1", 32)
)

// named replaces the names of addresses and hashes in an answer.
func named(text string) string {
	r := []string{"%block", traceBlock, "%tx", traceTx}
	for i, name := range []string{"%alice", "%router", "%token", "%made", "%heir", "%miner"} {
		r = append(r, name, "0x"+strings.Repeat("0", 39)+string("123456"[i]))
	}
	return strings.NewReplacer(r...).Replace(text)
}

// parityTraces and callTraces are the same transaction in both dialects, the first with the rewards of its block too.
var parityTraces = named(`[
	{"action":{"callType":"call","from":"%alice","gas":"0x5208","input":"0x01","to":"%router","value":"0x7"},"blockHash":"%block","blockNumber":16,
		"result":{"gasUsed":"0x10","output":"0x02"},"subtraces":3,"traceAddress":[],"transactionHash":"%tx","transactionPosition":0,"type":"call"},
	{"action":{"callType":"delegatecall","from":"%router","gas":"0x20","input":"0x03","to":"%token","value":"0x0"},"blockHash":"%block","blockNumber":16,
		"error":"Reverted","result":null,"subtraces":1,"traceAddress":[0],"transactionHash":"%tx","transactionPosition":0,"type":"call"},
	{"action":{"callType":"staticcall","from":"%token","gas":"0x21","input":"0x","to":"%alice","value":"0x0"},"blockHash":"%block","blockNumber":16,
		"result":{"gasUsed":"0x0","output":"0x"},"subtraces":0,"traceAddress":[0,0],"transactionHash":"%tx","transactionPosition":0,"type":"call"},
	{"action":{"from":"%router","gas":"0x22","init":"0x6001","value":"0x1","creationMethod":"create2"},"blockHash":"%block","blockNumber":16,
		"result":{"address":"%made","code":"0xfe","gasUsed":"0x5"},"subtraces":1,"traceAddress":[1],"transactionHash":"%tx","transactionPosition":0,"type":"create"},
	{"action":{"address":"%made","balance":"0x9","refundAddress":"%heir"},"blockHash":"%block","blockNumber":16,
		"result":null,"subtraces":0,"traceAddress":[1,0],"transactionHash":"%tx","transactionPosition":0,"type":"suicide"},
	{"action":{"from":"%router","gas":"0x23","init":"0xfe","value":"0x0"},"blockHash":"%block","blockNumber":16,
		"error":"Bad instruction","result":null,"subtraces":0,"traceAddress":[2],"transactionHash":"%tx","transactionPosition":0,"type":"create"},
	{"action":{"author":"%miner","rewardType":"uncle","value":"0x2"},"blockHash":"%block","blockNumber":16,
		"result":null,"subtraces":0,"traceAddress":[],"transactionHash":null,"transactionPosition":null,"type":"reward"},
	{"action":{"author":"%miner","rewardType":"block","value":"0x3"},"blockHash":"%block","blockNumber":16,
		"result":null,"subtraces":0,"traceAddress":[],"type":"reward"}]`)

var callTraces = named(`[{"txHash":"%tx","result":{"calls":[
	{"from":"%router","gas":"0x20","gasUsed":"0x20","to":"%token","input":"0x03","error":"Reverted","revertReason":"no","calls":[
		{"from":"%token","gas":"0x21","gasUsed":"0x0","to":"%alice","input":"0x","type":"STATICCALL"}],"value":"0x0","type":"DELEGATECALL"},
	{"type":"CREATE2","from":"%router","gas":"0x22","gasUsed":"0x5","to":"%made","input":"0x6001","output":"0xfe","value":"0x1","calls":[
		{"type":"SELFDESTRUCT","from":"%made","gas":"0x0","gasUsed":"0x0","to":"%heir","input":"0x","value":"0x9"}]},
	{"type":"CREATE","from":"%router","gas":"0x23","gasUsed":"0x23","input":"0xfe","error":"Bad instruction","value":"0x0"}],
	"from":"%alice","gas":"0x5208","gasUsed":"0x10","to":"%router","input":"0x01","output":"0x02","value":"0x7","type":"CALL"}}]`)

// wantTraces is what both come to, but for the gas that failed calls used, which one dialect does not tell.
func wantTraces() []eth.Trace {
	address := func(n byte) *common.Address { return &common.Address{19: n} }
	hash, block := common.HexToHash(traceTx), common.HexToHash(traceBlock)
	of := func(t eth.Trace) eth.Trace {
		t.BlockNumber, t.BlockHash, t.ChainID, t.TransactionIndex, t.TransactionHash = 16, block, 5, new(uint64(0)), &hash
		return t
	}
	id := func(kind, at string) string { return kind + "_" + traceTx + "_" + at }
	return []eth.Trace{
		of(eth.Trace{
			TraceType: "call", CallType: "call", From: address(1), To: address(2), Value: *uint256.NewInt(7), Gas: new(uint64(0x5208)), GasUsed: new(uint64(16)),
			Input: []byte{1}, Output: []byte{2}, Subtraces: 3, Status: 1, TraceID: id("call", ""),
		}),
		of(eth.Trace{
			TraceType: "call", CallType: "delegatecall", From: address(2), To: address(3), Gas: new(uint64(0x20)), Input: []byte{3}, Subtraces: 1,
			TraceAddress: []uint64{0}, Error: "Reverted", TraceID: id("call", "0"),
		}),
		of(eth.Trace{
			TraceType: "call", CallType: "staticcall", From: address(3), To: address(1), Gas: new(uint64(0x21)), GasUsed: new(uint64(0)),
			TraceAddress: []uint64{0, 0}, TraceID: id("call", "0_0"),
		}),
		of(eth.Trace{
			TraceType: "create", From: address(2), To: address(4), Value: *uint256.NewInt(1), Gas: new(uint64(0x22)), GasUsed: new(uint64(5)),
			Init: []byte{0x60, 1}, Code: []byte{0xfe}, Subtraces: 1, TraceAddress: []uint64{1}, Status: 1, TraceID: id("create", "1"),
		}),
		of(eth.Trace{
			TraceType: "suicide", From: address(4), To: address(5), Value: *uint256.NewInt(9), TraceAddress: []uint64{1, 0}, Status: 1, TraceID: id("suicide", "1_0"),
		}),
		of(eth.Trace{
			TraceType: "create", From: address(2), Gas: new(uint64(0x23)), Init: []byte{0xfe}, TraceAddress: []uint64{2}, Error: "Bad instruction", TraceID: id("create", "2"),
		}),
		{BlockNumber: 16, BlockHash: block, ChainID: 5, TraceType: "reward", RewardType: "uncle", Author: address(6), To: address(6), Value: *uint256.NewInt(2), Status: 1, TraceID: "reward_16_1"},
		{BlockNumber: 16, BlockHash: block, ChainID: 5, TraceType: "reward", RewardType: "block", Author: address(6), To: address(6), Value: *uint256.NewInt(3), Status: 1, TraceID: "reward_16_0"},
	}
}

func TestTracesOfBothDialectsAreTheSame(t *testing.T) {
	d := decode.Decoder{ChainID: 5}
	parity, err := d.Traces([]byte(parityTraces))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantTraces(), parity); diff != "" {
		t.Errorf("parity (-want +got):\n%s", diff)
	}
	block := &eth.Header{BlockNumber: 16, BlockHash: common.HexToHash(traceBlock)}
	geth, err := d.CallTraces([]byte(callTraces), block, []common.Hash{common.HexToHash(traceTx)})
	if err != nil {
		t.Fatal(err)
	}
	want := wantTraces()[:6]
	want[1].GasUsed, want[5].GasUsed = new(uint64(0x20)), new(uint64(0x23))
	if diff := cmp.Diff(want, geth); diff != "" {
		t.Errorf("go-ethereum (-want +got):\n%s", diff)
	}
}

func TestTracesThatAreNotUsed(t *testing.T) {
	var d decode.Decoder
	block := &eth.Header{BlockNumber: 16, BlockHash: common.HexToHash(traceBlock)}
	hashes := []common.Hash{common.HexToHash(traceTx)}
	call := func(raw string, hashes ...common.Hash) error {
		_, err := d.CallTraces([]byte(named(raw)), block, hashes)
		return err
	}
	trace := func(raw string) error { _, err := d.Traces([]byte(named(raw))); return err }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"another transaction":    {call(callTraces, common.Hash{1}), decode.ErrElsewhere.Error()},
		"too few":                {call(`[]`, hashes...), "has 1 transactions but 0 traces"},
		"too many":               {call(callTraces), "has 0 transactions but 1 traces"},
		"one that timed out":     {call(`[{"txHash":"%tx","error":"execution timeout"}]`, hashes...), "could not trace transaction 0 (" + traceTx + ") of block 16: execution timeout"},
		"nothing":                {call(`[{"txHash":"%tx"}]`, hashes...), "field result"},
		"the default tracer":     {call(`[{"txHash":"%tx","result":{"gas":66259,"failed":false,"returnValue":"0x","structLogs":[]}}]`, hashes...), `{"tracer": "callTracer"}`},
		"a call of no type":      {call(`[{"result":{"type":"CALL","calls":[{"from":"%alice"}]}}]`, hashes...), "field type is missing"},
		"a call by nobody":       {call(`[{"result":{"type":"CALL"}}]`, hashes...), "transaction 0: field from"},
		"a trace without a type": {trace(`[{"action":{},"blockHash":"%block","blockNumber":1}]`), "trace 0: field type"},
		"an address in words":    {trace(`[{"action":{"from":"alice"},"type":"call","blockHash":"%block","blockNumber":1}]`), `trace 0: field action.from is "alice"`},
		"an address of a trace":  {trace(`[{"traceAddress":[0,-1],"type":"call","blockHash":"%block","blockNumber":1}]`), "traceAddress"},
		"a number too large":     {trace(`[{"blockNumber":18446744073709551616}]`), "trace 0: field blockNumber"},
		"a fraction":             {trace(`[{"blockNumber":1.5}]`), "trace 0: field blockNumber"},
		"nothing at all":         {trace(`null`), decode.ErrNull.Error()},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, c.err, c.want)
		}
	}
	if err := call(callTraces, common.Hash{1}); !errors.Is(err, decode.ErrElsewhere) {
		t.Errorf("got %v, want ErrElsewhere", err)
	}
}

// As deep as calls can go there is room for their addresses; beyond there is none.
func TestDeepCalls(t *testing.T) {
	var d decode.Decoder
	nested := func(depth int) error {
		raw := `[{"result":` + strings.Repeat(named(`{"type":"CALL","from":"%alice","to":"%token","gas":"0x1","gasUsed":"0x1","input":"0x","calls":[`), depth) +
			named(`{"type":"CALL","from":"%alice"}`) + strings.Repeat("]}", depth) + `}]`
		rows, err := d.CallTraces([]byte(raw), &eth.Header{}, []common.Hash{{}})
		if err == nil && (len(rows) != depth+1 || len(rows[depth].TraceAddress) != depth || rows[depth-1].Subtraces != 1) {
			t.Errorf("got %d rows", len(rows))
		}
		return err
	}
	if err := nested(1024); err != nil {
		t.Error(err)
	}
	for _, depth := range []int{1100, 4_000, 100_000} {
		if err := nested(depth); err == nil || !strings.Contains(err.Error(), "nested too deeply") {
			t.Errorf("%d deep: got %v", depth, err)
		}
	}
}
