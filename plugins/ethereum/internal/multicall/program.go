package multicall

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// home is where the programs below are put for the time of a call. Nobody has the key to it.
var home = common.BytesToAddress(crypto.Keccak256([]byte("a place for programs that are there for one call")))

// program is code of the EVM. It uses nothing that is younger than Byzantium, because a call about an old block runs by the rules of its time.
type program []byte

// assemble puts code together from hex, with a comment in each line.
func assemble(lines string) program {
	var digits strings.Builder
	for line := range strings.Lines(lines) {
		code, _, _ := strings.Cut(line, ";")
		digits.WriteString(strings.Join(strings.Fields(code), ""))
	}
	code, err := hex.DecodeString(digits.String())
	if err != nil {
		panic(err) // unreachable: the tests run all programs
	}
	return code
}

// callsProgram makes calls one after the other. Its input is records of an address, the length of the data in four bytes, and the data; its
// output is a record for each of a byte that is 1 if the call succeeded, the length of what it returned in four bytes, and that. No call gets
// more than a million gas, so that one that burns all it has leaves some for the others; those that need more are made again by themselves.
func callsProgram() program {
	return assemble(`
		6000                          ; out                      where the next record of the output goes
		6000                          ; out pos                  where the next record of the input is
		5b                            ; 04: for each record
		80 36 14 60a0 57              ;                          until all have been read
		80 35                         ; out pos word             the address, the length and the first of the data
		80 68010000000000000000 90 04 ; out pos word word>>64
		63ffffffff 16                 ; out pos word len
		90                            ; out pos len word
		6c01000000000000000000000000 90 04 ; out pos len to
		81 83 6018 01 85 37           ; out pos len to           the data is in memory at out
		6000 6000 83 86 84 620f4240 fa ; out pos len to ok       a static call with a million gas
		90 50                         ; out pos len ok
		7f0100000000000000000000000000000000000000000000000000000000000000 02 ; the byte in front
		3d 7b01000000000000000000000000000000000000000000000000000000 02 17   ; and the length behind it
		83 52                         ; out pos len              the head of the record is in memory
		3d 6000 84 6005 01 3e         ; out pos len              and what was returned
		01 6018 01                    ; out pos'
		90 3d 01 6005 01 90           ; out' pos'
		6004 56
		5b 50 6000 f3                 ; the end: return the output
	`)
}

// balancesProgram looks balances up. Its input is addresses, its output a word for each.
func balancesProgram() program {
	return assemble(`
		6000                          ; out
		6000                          ; out pos
		5b                            ; 04: for each address
		80 36 14 602b 57              ;                          until all have been read
		80 35                         ; out pos word
		6c01000000000000000000000000 90 04 31 ; out pos balance
		82 52                         ; out pos
		6014 01                       ; out pos'
		90 6020 01 90                 ; out' pos'
		6004 56
		5b 50 6000 f3                 ; the end: return the output
	`)
}

// pack writes the input of callsProgram.
func pack(calls []Call) []byte {
	var out []byte
	for _, c := range calls {
		out = append(out, c.To[:]...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(c.Data)))
		out = append(out, c.Data...)
	}
	return out
}

var errForeign = errors.New("the answer is not that of the program that was to run")

// unpack reads the output of callsProgram.
func unpack(raw []byte, n int) ([]Result, error) {
	out := make([]Result, n)
	for i := range out {
		if len(raw) < 5 || raw[0] > 1 {
			return nil, errForeign
		}
		size := binary.BigEndian.Uint32(raw[1:])
		if uint64(len(raw)-5) < uint64(size) {
			return nil, errForeign
		}
		out[i] = Result{Success: raw[0] == 1, Output: raw[5 : 5+size : 5+size]}
		raw = raw[5+size:]
	}
	if len(raw) > 0 {
		return nil, errForeign
	}
	return out, nil
}

// packAddresses writes the input of balancesProgram.
func packAddresses(addresses []common.Address) []byte {
	out := make([]byte, 0, len(addresses)*common.AddressLength)
	for _, a := range addresses {
		out = append(out, a[:]...)
	}
	return out
}

// unpackWords reads the output of balancesProgram.
func unpackWords(raw []byte, n int) ([]uint256.Int, error) {
	if len(raw) != n*32 {
		return nil, errForeign
	}
	out := make([]uint256.Int, n)
	for i := range out {
		out[i].SetBytes32(raw[i*32:])
	}
	return out, nil
}
