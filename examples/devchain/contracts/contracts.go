// Package contracts holds the Solidity contracts of the development chain, as source and compiled.
//
// The contracts are written for the chain and emit the events of Uniswap V2 and ERC-20 to the byte: a decoder
// that understands these understands the real ones. Whoever changes a source runs `go generate` here, with npm
// at hand; everybody else uses artefact.json as it is.
package contracts

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

//go:generate go run ./compile

//go:embed artefact.json
var artefact []byte

// Set is every contract that the chain deploys.
type Set struct {
	Token, Pair, Factory, Router Contract
}

// Contract is what is needed to deploy and to call a contract.
type Contract struct {
	ABI      abi.ABI
	Bytecode []byte // init code without constructor arguments
}

// Load decodes the compiled contracts.
func Load() (Set, error) {
	var file struct {
		Contracts map[string]struct {
			ABI      json.RawMessage `json:"abi"`
			Bytecode hexutil.Bytes   `json:"bytecode"`
		} `json:"contracts"`
	}
	if err := json.Unmarshal(artefact, &file); err != nil {
		return Set{}, fmt.Errorf("decode artefact.json: %w", err)
	}
	var set Set
	for name, into := range map[string]*Contract{
		"Token": &set.Token, "Pair": &set.Pair, "Factory": &set.Factory, "Router": &set.Router,
	} {
		compiled, ok := file.Contracts[name]
		if !ok {
			return Set{}, fmt.Errorf("artefact.json has no contract %s: run go generate", name)
		}
		parsed, err := abi.JSON(bytes.NewReader(compiled.ABI))
		if err != nil {
			return Set{}, fmt.Errorf("decode the ABI of %s: %w", name, err)
		}
		*into = Contract{ABI: parsed, Bytecode: compiled.Bytecode}
	}
	return set, nil
}

// Deployment is the input of the transaction that deploys the contract with these constructor arguments.
func (c Contract) Deployment(args ...any) ([]byte, error) {
	packed, err := c.ABI.Pack("", args...)
	if err != nil {
		return nil, fmt.Errorf("pack constructor arguments: %w", err)
	}
	return append(bytes.Clone(c.Bytecode), packed...), nil
}
