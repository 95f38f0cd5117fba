package decode_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/internal/made"
)

const history = `{"oldestBlock":"0xa","baseFeePerGas":["0x1","0x2","0x3"],"baseFeePerBlobGas":["0x4","0x5","0x6"],"gasUsedRatio":[0.5,0.25],
	"blobGasUsedRatio":[0,1],"reward":[["0x7","0x8"],["0x9","0xa"]]}`

func TestFeeHistory(t *testing.T) {
	d := decode.Decoder{ChainID: 5}
	got, err := d.FeeHistory([]byte(history), []float64{10, 90})
	if err != nil {
		t.Fatal(err)
	}
	n := uint256.NewInt
	want := []eth.Gas{
		{
			BlockNumber: 10, BaseFeePerGas: n(1), NextBaseFeePerGas: n(2), GasUsedRatio: 0.5, BlobBaseFee: n(4), NextBlobBaseFee: n(5), BlobGasUsedRatio: new(0.0),
			Percentiles: []float64{10, 90}, PriorityFees: []uint256.Int{*n(7), *n(8)}, ChainID: 5,
		},
		{
			BlockNumber: 11, BaseFeePerGas: n(2), NextBaseFeePerGas: n(3), GasUsedRatio: 0.25, BlobBaseFee: n(5), NextBlobBaseFee: n(6), BlobGasUsedRatio: new(1.0),
			Percentiles: []float64{10, 90}, PriorityFees: []uint256.Int{*n(9), *n(10)}, ChainID: 5,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	old, err := d.FeeHistory([]byte(`{"oldestBlock":"0x1","gasUsedRatio":[0.5],"baseFeePerGas":["0x0","0x0"]}`), nil)
	if err != nil || len(old) != 1 || old[0].BlobBaseFee != nil || old[0].PriorityFees != nil {
		t.Errorf("got %+v, %v", old, err)
	}
	for name, raw := range map[string]string{
		"baseFeePerGas":     strings.Replace(history, `"0x1","0x2"`, `"0x1"`, 1),
		"baseFeePerBlobGas": strings.Replace(history, `"0x4",`, ``, 1),
		"blobGasUsedRatio":  strings.Replace(history, `[0,1]`, `[0]`, 1),
		"reward":            strings.Replace(history, `,["0x9","0xa"]`, ``, 1),
		"reward has 1":      strings.Replace(history, `"0x9","0xa"`, `"0x9"`, 1),
		"oldestBlock":       strings.Replace(history, `"0xa",`, `null,`, 1),
		"gasUsedRatio":      strings.Replace(history, `0.5,0.25`, `0.5,"x"`, 1),
	} {
		if _, err := d.FeeHistory([]byte(raw), []float64{10, 90}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

const pool = `{"pending":{"0x0000000000000000000000000000000000000001":{"0":{"blockHash":null,"blockNumber":null,"from":"0x0000000000000000000000000000000000000001","gas":"0x61a8",
	"gasPrice":"0x1a21398","hash":"0xb55b6dfd4ba0bb2b00283b0e84cda496c90bc7c5ae9025e07edc3a7fbaf6a269","input":"0x5500","nonce":"0x3",
	"to":"0x0000000000000000000000000000000000000002","transactionIndex":null,"value":"0xa","type":"0x0","chainId":"0x1","v":"0x25","r":"0x1","s":"0x2"}}},
	"queued":{"0x0000000000000000000000000000000000000003":{"7":{"hash":"0x01"}}}}`

func TestPool(t *testing.T) {
	d := decode.Decoder{ChainID: 1}
	got, err := d.Pool([]byte(pool))
	if err != nil {
		t.Fatal(err)
	}
	want := []eth.PendingTransaction{{
		TransactionHash: common.HexToHash("0xb55b6dfd4ba0bb2b00283b0e84cda496c90bc7c5ae9025e07edc3a7fbaf6a269"), From: addressOf(1), To: new(addressOf(2)), Nonce: 3,
		Value: *uint256.NewInt(10), Input: []byte{0x55, 0}, GasLimit: 25_000, GasPrice: *uint256.NewInt(0x1a21398), ChainID: 1, V: *uint256.NewInt(37),
		R: *uint256.NewInt(1), S: *uint256.NewInt(2), InputBytes: 2, InputZeroBytes: 1, InputNonzeroBytes: 1, RLPBytes: 38,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever type a transaction is of, what is pending has what it will have in a block.
func TestPending(t *testing.T) {
	b := made.Make(t, made.Config{Number: 1, Fork: made.Prague, Transactions: 7, Input: 9})
	var block struct {
		Transactions []map[string]any `json:"transactions"`
	}
	if err := json.Unmarshal(b.Full, &block); err != nil {
		t.Fatal(err)
	}
	d := decode.Decoder{ChainID: made.ChainID}
	in, err := d.Block(b.Full)
	if err != nil {
		t.Fatal(err)
	}
	for i, fields := range block.Transactions {
		if _, mined, err := d.Pending(encode(t, fields)); err != nil || !mined {
			t.Errorf("transaction %d: got %v, %v, want that it is in a block", i, mined, err)
		}
		fields["blockHash"], fields["blockNumber"], fields["transactionIndex"] = nil, nil, nil
		got, mined, err := d.Pending(encode(t, fields))
		if err != nil || mined {
			t.Fatalf("transaction %d: %v, %v", i, mined, err)
		}
		want := &in.Transactions[i]
		if got.TransactionHash != want.TransactionHash || got.RLPBytes != b.Transactions()[i].Size() || got.RLPBytes != want.RLPBytes || got.From != want.From {
			t.Errorf("transaction %d: got %+v, want %+v", i, got, want)
		}
		if diff := cmp.Diff([]any{want.AccessList, want.AuthorizationList, want.BlobVersionedHashes, want.MaxFeePerGas, want.R}, []any{got.AccessList, got.AuthorizationList, got.BlobVersionedHashes, got.MaxFeePerGas, got.R}); diff != "" {
			t.Errorf("transaction %d (-want +got):\n%s", i, diff)
		}
	}
	if list, err := d.PendingList(encode(t, block.Transactions[:3])); err != nil || len(list) != 3 {
		t.Errorf("got %d, %v", len(list), err)
	}
}

func TestSmallAnswers(t *testing.T) {
	var d decode.Decoder
	if got, err := d.Word([]byte(` "0x1bc16d674ec80000" `)); err != nil || got.Dec() != "2000000000000000000" {
		t.Errorf("got %s, %v", &got, err)
	}
	if got, err := d.Data([]byte(`"0xC0fe"`)); err != nil || string(got) != "\xc0\xfe" {
		t.Errorf("got %x, %v", got, err)
	}
	if got, err := d.Data([]byte(`"0x"`)); err != nil || got != nil {
		t.Errorf("got %x, %v", got, err)
	}
	if got, err := d.Hashes([]byte(`["` + hashOf(3).Hex() + `"]`)); err != nil || len(got) != 1 || got[0] != hashOf(3) {
		t.Errorf("got %v, %v", got, err)
	}
	ref, bloom, err := d.Stub([]byte(`{"number":"0x1","hash":"` + hashOf(1).Hex() + `","parentHash":"` + hashOf(2).Hex() + `","timestamp":"0x5","logsBloom":"0x0100"}`))
	if err != nil || ref.Quiet || string(bloom) != "\x01\x00" || ref.Time.Unix() != 5 || ref.Number != 1 || ref.Hash != hashOf(1) || ref.Parent != hashOf(2) {
		t.Errorf("got %+v, %x, %v", ref, bloom, err)
	}
	for name, err := range map[string]error{
		"a word in digits": second(d.Word([]byte(`1`))), "a long word": second(d.Word([]byte(`"0x1` + strings.Repeat("0", 64) + `"`))), "no data": second(d.Data([]byte(`{}`))),
		"half a byte": second(d.Data([]byte(`"0x1"`))), "no list": second(d.Hashes([]byte(`"0x"`))), "two answers": second(d.Word([]byte(`"0x1" "0x2"`))), "nothing": second(d.Data(nil)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }
