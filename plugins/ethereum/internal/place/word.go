package place

import (
	"fmt"
	"strings"

	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/chain"
)

// Word reads a number of 256 bits as nodes write it.
func Word(raw []byte) (n uint256.Int, err error) {
	text := strings.Trim(string(raw), `"`)
	digits, ok := strings.CutPrefix(text, "0x")
	digits = strings.TrimLeft(digits, "0")
	if !ok || len(digits) > 64 {
		return n, fmt.Errorf("the node answered %s, which is no number", chain.Short(string(raw)))
	}
	if digits == "" {
		return n, nil
	}
	err = n.SetFromHex("0x" + digits)
	return n, err
}
