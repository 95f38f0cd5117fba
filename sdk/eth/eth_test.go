package eth_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/transit"
)

var update = flag.Bool("update", false, "write testdata/columns.txt anew")

// The columns are what plugins and databases rely on: a change to testdata/columns.txt breaks them.
func TestColumns(t *testing.T) {
	var got strings.Builder
	show := func(typ transit.Type, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&got, typ.Name)
		for _, f := range typ.Schema.Fields() {
			fmt.Fprintf(&got, "\t%s\n", transit.Type{Schema: arrow.NewSchema([]arrow.Field{f}, nil)})
		}
	}
	show(transit.TypeOf[eth.Header]())
	show(transit.TypeOf[eth.Block]())
	show(transit.TypeOf[eth.Transaction]())
	show(transit.TypeOf[eth.Receipt]())
	show(transit.TypeOf[eth.Log]())
	show(transit.TypeOf[eth.Trace]())
	show(transit.TypeOf[eth.Balance]())
	show(transit.TypeOf[eth.Call]())
	show(transit.TypeOf[eth.Gas]())
	show(transit.TypeOf[eth.Epoch]())
	show(transit.TypeOf[eth.PendingTransaction]())
	if *update {
		if err := os.WriteFile("testdata/columns.txt", []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/columns.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func number(n uint64) *uint256.Int { return uint256.NewInt(n) }

func header(n uint64) eth.Header {
	return eth.Header{
		BlockNumber: n, BlockHash: common.Hash{1, byte(n)}, ParentHash: common.Hash{2}, Timestamp: time.Unix(1_700_000_000, 0).UTC(),
		Miner: common.Address{3}, GasLimit: 4, GasUsed: 5, BaseFeePerGas: number(6), Size: 7, TransactionCount: 8,
		StateRoot: common.Hash{9}, TransactionsRoot: common.Hash{10}, ReceiptsRoot: common.Hash{11}, Sha3Uncles: common.Hash{12},
		LogsBloom: []byte{13}, ExtraData: []byte{14}, Difficulty: *number(15), TotalDifficulty: number(16), MixHash: common.Hash{17},
		Nonce: [8]byte{18}, WithdrawalsRoot: new(common.Hash{19}), BlobGasUsed: new(uint64(20)), ExcessBlobGas: new(uint64(21)),
		ParentBeaconRoot: new(common.Hash{22}), RequestsHash: new(common.Hash{23}), BlockAccessListHash: new(common.Hash{24}),
		SlotNumber: new(uint64(25)), ChainID: 26,
	}
}

func transaction() eth.Transaction {
	return eth.Transaction{
		BlockNumber: 1, BlockHash: common.Hash{1}, Timestamp: time.Unix(1_700_000_000, 0).UTC(), TransactionIndex: 2, TransactionHash: common.Hash{3},
		TransactionType: 4, From: common.Address{5}, To: &common.Address{6}, Nonce: 7, Value: *number(8), Input: []byte{9}, GasLimit: 10,
		GasPrice: *number(11), MaxFeePerGas: number(12), MaxPriorityFeePerGas: number(13), MaxFeePerBlobGas: number(14),
		BlobVersionedHashes: []common.Hash{{15}, {16}},
		AccessList:          []eth.AccessTuple{{Address: common.Address{17}, StorageKeys: []common.Hash{{18}, {19}}}, {Address: common.Address{20}}},
		AuthorizationList:   []eth.Authorization{{ChainID: *number(21), Address: common.Address{22}, Nonce: 23, YParity: 1, R: *number(24), S: *number(25)}},
		ChainID:             26, V: *number(27), R: *number(28), S: *number(29), InputBytes: 1, InputNonzeroBytes: 1, RLPBytes: 30,
		Status: new(uint64(1)), Success: new(true), GasUsed: new(uint64(30)),
		CumulativeGasUsed: new(uint64(31)), EffectiveGasPrice: number(32), ContractAddress: &common.Address{33}, BlobGasUsed: new(uint64(34)),
		BlobGasPrice: number(35), LogCount: new(uint64(36)),
	}
}

// travels sends rows through the wire format and back.
func travels[T transit.Row](t *testing.T, rows ...T) {
	t.Helper()
	typ, err := transit.TypeOf[T]()
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := transit.NewEncoder[T]()
	if err != nil {
		t.Fatal(err)
	}
	body, err := encoder.Append(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := transit.NewDecoder[T](typ)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decoder.Append(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", typ.Name, diff)
	}
}

func TestRowsTravel(t *testing.T) {
	tx := transaction()
	travels(t, header(1), eth.Header{Timestamp: time.Unix(0, 0).UTC()})
	travels(t, tx, eth.Transaction{Timestamp: time.Unix(0, 0).UTC()})
	travels(t,
		eth.Block{
			Header: header(1), Uncles: []common.Hash{{1}}, Transactions: []eth.Transaction{tx, tx},
			Withdrawals: []eth.Withdrawal{{Index: 1, ValidatorIndex: 2, Address: common.Address{3}, Amount: 4}},
		},
		eth.Block{Header: header(2)}, eth.Block{Header: header(3), Transactions: []eth.Transaction{tx}},
	)
	travels(t, eth.Receipt{
		BlockNumber: 1, BlockHash: common.Hash{2}, Timestamp: time.Unix(3, 0).UTC(), TransactionIndex: 4, TransactionHash: common.Hash{5},
		TransactionType: 2, From: common.Address{6}, To: &common.Address{7}, ContractAddress: &common.Address{8}, Status: new(uint64(1)),
		Root: &common.Hash{9}, GasUsed: 10, CumulativeGasUsed: 11, EffectiveGasPrice: number(12), BlobGasUsed: new(uint64(13)),
		BlobGasPrice: number(14), LogsBloom: []byte{15}, LogCount: 16, L1Fee: number(17), L1GasUsed: new(uint64(18)), L1GasPrice: number(19),
		L1FeeScalar: new(0.684), ChainID: 20,
	})
	travels(t, eth.Log{
		BlockNumber: 1, BlockHash: common.Hash{2}, Timestamp: time.Unix(3, 0).UTC(), TransactionIndex: 4, TransactionHash: common.Hash{5},
		LogIndex: 6, Address: common.Address{7}, Topics: []common.Hash{{8}, {9}}, Data: []byte{10},
		Topic0: &common.Hash{8}, Topic1: &common.Hash{9}, DataBytes: 1, ChainID: 11,
	})
}

func TestRowsOfOtherReadersTravel(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	travels(t,
		eth.Trace{
			BlockNumber: 1, BlockHash: common.Hash{2}, Timestamp: at, TransactionIndex: new(uint64(3)), TransactionHash: &common.Hash{4},
			TraceAddress: []uint64{0, 2}, Subtraces: 5, TraceType: "call", CallType: "delegatecall", From: &common.Address{6}, To: &common.Address{7},
			Value: *number(8), Gas: new(uint64(9)), GasUsed: new(uint64(10)), Input: []byte{11}, Output: []byte{12}, Error: "out of gas",
			TraceID: "call_0x04_0_2", ChainID: 13,
		},
		eth.Trace{BlockNumber: 1, Timestamp: at, TraceType: "create", Init: []byte{1}, Code: []byte{2}, Status: 1},
		eth.Trace{BlockNumber: 1, Timestamp: at, TraceType: "reward", RewardType: "uncle", Author: &common.Address{3}, To: &common.Address{3}, Status: 1},
	)
	travels(t, eth.Balance{BlockNumber: 1, BlockHash: common.Hash{2}, Timestamp: at, Address: common.Address{3}, Token: &common.Address{9}, Balance: *number(4), Nonce: new(uint64(5)), ChainID: 6})
	travels(t, eth.Call{
		BlockNumber: 1, BlockHash: common.Hash{2}, Timestamp: at, Address: common.Address{3}, Function: "totalSupply()", Selector: [4]byte{0x18, 0x16, 0x0d, 0xdd},
		Input: []byte{4}, Output: []byte{5}, Values: `["6"]`, Success: true, Error: "7", ChainID: 8,
	})
	travels(t, eth.Epoch{
		BlockNumber: 19, BlockHash: common.Hash{1}, Timestamp: at, EpochNumber: 2, BeginBlock: 10, EndBlock: 19, BeginHash: common.Hash{3}, EndHash: common.Hash{1},
		BeginTime: at.Add(-time.Minute), EndTime: at, BlockCount: 10, ChainID: 4,
	})
	travels(t, eth.Gas{
		BlockNumber: 1, BlockHash: common.Hash{2}, Timestamp: at, BaseFeePerGas: number(3), NextBaseFeePerGas: number(4), GasLimit: 5, GasUsed: 6, GasUsedRatio: 0.5,
		BlobBaseFee: number(7), NextBlobBaseFee: number(8), BlobGasUsed: new(uint64(9)), BlobGasUsedRatio: new(0.25), Percentiles: []float64{10, 50.5},
		PriorityFees: []uint256.Int{*number(11), *number(12)}, GasPrice: number(13), MaxPriorityFeePerGas: number(14), ChainID: 15,
	})
	tx := transaction()
	travels(t, eth.PendingTransaction{
		Timestamp: at, BlockNumber: 1, TransactionHash: tx.TransactionHash, TransactionType: tx.TransactionType, From: tx.From, To: tx.To, Nonce: tx.Nonce,
		Value: tx.Value, Input: tx.Input, GasLimit: tx.GasLimit, GasPrice: tx.GasPrice, MaxFeePerGas: tx.MaxFeePerGas, MaxPriorityFeePerGas: tx.MaxPriorityFeePerGas,
		MaxFeePerBlobGas: tx.MaxFeePerBlobGas, BlobVersionedHashes: tx.BlobVersionedHashes, AccessList: tx.AccessList, AuthorizationList: tx.AuthorizationList,
		ChainID: tx.ChainID, V: tx.V, R: tx.R, S: tx.S, InputBytes: 1, InputNonzeroBytes: 1, RLPBytes: 30,
	})
}

// headers is what a plugin declares that needs little of a block.
type headers struct {
	Timestamp    time.Time
	BlockNumber  uint64
	Transactions []struct {
		FromAddress common.Address
		Value       uint256.Int
	}
}

func (headers) TransitType() string { return "eth.block" }

func TestPluginsMayNameAFewColumns(t *testing.T) {
	produced, err := transit.TypeOf[eth.Block]()
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := transit.TypeOf[headers]()
	if err != nil {
		t.Fatal(err)
	}
	if err := produced.Fits(wanted); err != nil {
		t.Error(err)
	}
}
