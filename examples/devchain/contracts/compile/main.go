// Command compile turns the Solidity sources of the development chain into artefact.json.
//
// It is run by `go generate` in the folder of the sources and needs npm, which fetches the compiler. The artefact
// is part of the tree, so nobody needs this to build or run the chain; a test notices a source that was changed
// without it.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	solc       = "0.8.30"
	evmVersion = "cancun"
	output     = "artefact.json"
)

// deployed are the contracts whose code the chain deploys or calls; the abstract ones are left out.
var deployed = []string{"Factory", "Pair", "Router", "Token"}

type artefact struct {
	Compiler   string              `json:"compiler"`
	EVMVersion string              `json:"evm_version"`
	Sources    map[string]string   `json:"sources"` // file name to SHA-256
	Contracts  map[string]contract `json:"contracts"`
}

type contract struct {
	ABI      json.RawMessage `json:"abi"`
	Bytecode string          `json:"bytecode"`
}

// compiled is the part of solc's standard JSON output that is used here.
type compiled struct {
	Errors []struct {
		Formatted string `json:"formattedMessage"`
	} `json:"errors"`
	Contracts map[string]map[string]struct {
		ABI json.RawMessage `json:"abi"`
		EVM struct {
			Bytecode struct {
				Object string `json:"object"`
			} `json:"bytecode"`
		} `json:"evm"`
	} `json:"contracts"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compile:", err)
		os.Exit(1)
	}
}

func run() error {
	names, err := filepath.Glob("*.sol")
	if err != nil {
		return fmt.Errorf("list sources: %w", err)
	}
	if len(names) == 0 {
		return errors.New("no *.sol file here: run `go generate` in the contracts folder")
	}
	out := artefact{Compiler: solc, EVMVersion: evmVersion, Sources: map[string]string{}, Contracts: map[string]contract{}}
	sources := map[string]any{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		sum := sha256.Sum256(text)
		out.Sources[name] = hex.EncodeToString(sum[:])
		sources[name] = map[string]string{"content": string(text)}
	}
	got, err := compile(sources)
	if err != nil {
		return err
	}
	for _, name := range deployed {
		c, ok := got.Contracts[name+".sol"][name]
		if !ok {
			return fmt.Errorf("solc compiled no contract %s in %s.sol", name, name)
		}
		out.Contracts[name] = contract{ABI: c.ABI, Bytecode: "0x" + c.EVM.Bytecode.Object}
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("encode artefact: %w", err)
	}
	return os.WriteFile(output, append(text, '\n'), 0o644)
}

// compile runs solc on its standard JSON input. The metadata hash is left out of the bytecode, so that the same
// source gives the same bytes and addresses on every machine. A warning counts as an error.
func compile(sources map[string]any) (compiled, error) {
	input, err := json.Marshal(map[string]any{
		"language": "Solidity",
		"sources":  sources,
		"settings": map[string]any{
			"evmVersion":      evmVersion,
			"optimizer":       map[string]any{"enabled": true, "runs": 1000},
			"metadata":        map[string]any{"bytecodeHash": "none", "appendCBOR": false},
			"outputSelection": map[string]any{"*": map[string]any{"*": []string{"abi", "evm.bytecode.object"}}},
		},
	})
	if err != nil {
		return compiled{}, fmt.Errorf("encode solc input: %w", err)
	}
	cmd := exec.Command("npm", "exec", "--yes", "--package=solc@"+solc, "--", "solcjs", "--standard-json")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	stdout, err := cmd.Output()
	if err != nil {
		return compiled{}, fmt.Errorf("run solc %s through npm: %w", solc, err)
	}
	// solcjs prints a line about its SMT solver before the JSON.
	start := bytes.IndexByte(stdout, '{')
	if start < 0 {
		return compiled{}, fmt.Errorf("solc printed no JSON: %q", stdout)
	}
	var got compiled
	if err := json.Unmarshal(stdout[start:], &got); err != nil {
		return compiled{}, fmt.Errorf("decode solc output: %w", err)
	}
	if len(got.Errors) > 0 {
		texts := make([]string, len(got.Errors))
		for i, e := range got.Errors {
			texts[i] = e.Formatted
		}
		return compiled{}, fmt.Errorf("compile:\n%s", strings.Join(texts, "\n"))
	}
	return got, nil
}
