package verify_test

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// What a node said and what it comes to are both in the error.
func ExampleVerifier_Header() {
	var v verify.Verifier
	h := eth.Header{BlockNumber: 5, LogsBloom: make([]byte, 256), StateRoot: common.Hash{1}, TransactionsRoot: common.Hash{2}, ReceiptsRoot: common.Hash{3}, Sha3Uncles: common.Hash{4}, MixHash: common.Hash{5}}
	err := v.Header(&h)
	var m *verify.Mismatch
	fmt.Println(errors.As(err, &m), m.Block, m.Field)
	// Output: true 5 hash
}

// A block whose bloom rules out what is looked for need not be asked for its logs.
func ExampleBloom_May() {
	empty := verify.Bloom(make([]byte, 256))
	fmt.Println(empty.May([]common.Address{{1}}, nil))
	// Output: false
}
