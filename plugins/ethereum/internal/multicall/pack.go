package multicall

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
)

// interfaceText is what is used of Multicall3.
const interfaceText = `[
	{"type":"function","name":"aggregate3","stateMutability":"payable",
	 "inputs":[{"name":"calls","type":"tuple[]","components":[
		{"name":"target","type":"address"},{"name":"allowFailure","type":"bool"},{"name":"callData","type":"bytes"}]}],
	 "outputs":[{"name":"returnData","type":"tuple[]","components":[{"name":"success","type":"bool"},{"name":"returnData","type":"bytes"}]}]},
	{"type":"function","name":"getEthBalance","stateMutability":"view",
	 "inputs":[{"name":"addr","type":"address"}],"outputs":[{"name":"balance","type":"uint256"}]}]`

var multicall3 = mustParse(interfaceText)

func mustParse(text string) abi.ABI {
	parsed, err := abi.JSON(strings.NewReader(text))
	if err != nil {
		panic(err) // unreachable: the text is a constant
	}
	return parsed
}

// entry is a call as aggregate3 takes it, answer what it gives back.
type (
	entry struct {
		Target       common.Address
		AllowFailure bool
		CallData     []byte
	}
	answer struct {
		Success    bool
		ReturnData []byte
	}
)

// packCalls puts calls into one, whose answer fills out.
func packCalls(how way, calls []Call, out []Result) packed {
	if how == byMulticall3 {
		return packed{request: aggregate3(calls), unpack: func(raw []byte) error { return unpackAnswers(raw, out) }}
	}
	return packed{request: request(home, pack(calls)), more: overriding(callsProgram()), unpack: func(raw []byte) error {
		results, err := unpack(raw, len(out))
		copy(out, results)
		return err
	}}
}

// packBalances puts questions for balances into one, whose answer fills out.
func packBalances(how way, addresses []common.Address, out []uint256.Int) packed {
	if how == byProgram {
		return packed{request: request(home, packAddresses(addresses)), more: overriding(balancesProgram()), unpack: func(raw []byte) error {
			words, err := unpackWords(raw, len(out))
			copy(out, words)
			return err
		}}
	}
	calls := make([]Call, len(addresses))
	for i, address := range addresses {
		calls[i] = Call{To: Address, Data: append(multicall3.Methods["getEthBalance"].ID, common.LeftPadBytes(address[:], 32)...)}
	}
	return packed{request: aggregate3(calls), unpack: func(raw []byte) error {
		results := make([]Result, len(out))
		if err := unpackAnswers(raw, results); err != nil {
			return err
		}
		for i, r := range results {
			if !r.Success || len(r.Output) != 32 {
				return fmt.Errorf("Multicall3 does not tell the balance of %s", addresses[i])
			}
			out[i].SetBytes32(r.Output)
		}
		return nil
	}}
}

func request(to common.Address, data []byte) map[string]any {
	return map[string]any{"to": to, "data": hexutil.Bytes(data)}
}

// overriding puts a program in its place for the time of the call.
func overriding(p program) []any {
	return []any{map[common.Address]any{home: map[string]any{"code": hexutil.Bytes(p)}}}
}

func aggregate3(calls []Call) map[string]any {
	entries := make([]entry, len(calls))
	for i, c := range calls {
		entries[i] = entry{Target: c.To, AllowFailure: true, CallData: c.Data}
	}
	data, err := multicall3.Pack("aggregate3", entries)
	if err != nil {
		panic(err) // unreachable: entry has the types of the interface
	}
	return request(Address, data)
}

func unpackAnswers(raw []byte, out []Result) error {
	var answers []answer
	values, err := multicall3.Unpack("aggregate3", raw)
	if err != nil {
		return fmt.Errorf("read what Multicall3 answered: %w", err)
	}
	answers = *abi.ConvertType(values[0], new([]answer)).(*[]answer)
	if len(answers) != len(out) {
		return errors.New("Multicall3 answered to another number of calls")
	}
	for i, a := range answers {
		out[i] = Result{Success: a.Success, Output: a.ReturnData}
	}
	return nil
}
