package multicall

import (
	"testing"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
)

// Answer is what Multicall3 would answer, by what a node says to each call.
func Answer(t *testing.T, client *ethclient.Client, data []byte) []byte {
	t.Helper()
	method := multicall3.Methods["aggregate3"]
	values, err := method.Inputs.Unpack(data[4:])
	if err != nil {
		t.Fatal(err)
	}
	var out []answer
	for _, e := range *abi.ConvertType(values[0], new([]entry)).(*[]entry) {
		if e.Target == Address {
			balance, err := client.BalanceAt(t.Context(), common.BytesToAddress(e.CallData[4:]), nil)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, answer{Success: true, ReturnData: common.BigToHash(balance).Bytes()})
			continue
		}
		raw, err := client.CallContract(t.Context(), ethereum.CallMsg{To: &e.Target, Data: e.CallData}, nil)
		one := answer{Success: err == nil, ReturnData: raw}
		if told, ok := err.(interface{ ErrorData() any }); ok && told.ErrorData() != nil {
			one.ReturnData = common.FromHex(told.ErrorData().(string))
		}
		out = append(out, one)
	}
	packed, err := method.Outputs.Pack(out)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}
