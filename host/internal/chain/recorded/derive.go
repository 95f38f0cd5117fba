package recorded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/host/internal/chain/logfilter"
)

// errNotThere is what calls get that were not recorded.
var errNotThere = errors.New("it was not recorded")

// derive answers a call by what was recorded of others.
func (a *Answers) derive(method string, args []any) ([]byte, error) {
	switch method {
	case "eth_blockNumber":
		if len(a.blocks) == 0 {
			return nil, errNotThere
		}
		return fmt.Appendf(nil, `"0x%x"`, a.last), nil
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		return a.deriveBlock(args)
	case "eth_getBlockReceipts":
		return a.deriveReceipts(args)
	case "eth_getLogs":
		return a.deriveLogs(args)
	case "eth_feeHistory":
		return a.deriveFees(args)
	}
	return nil, errNotThere
}

// number is the height that a parameter means: a number, a tag, or a hash that
// was recorded.
func (a *Answers) number(args []any) (uint64, bool) {
	if number, ok := heightOf(args); ok {
		return number, true
	}
	if len(args) == 0 {
		return 0, false
	}
	switch which, _ := args[0].(string); which {
	case "latest", "safe", "finalized":
		return a.last, len(a.blocks) > 0
	default:
		number, ok := a.heights[strings.ToLower(which)]
		return number, ok
	}
}

func (a *Answers) deriveBlock(args []any) ([]byte, error) {
	number, ok := a.number(args)
	b, known := a.blocks[number]
	if ok && !known && number > a.last {
		return []byte("null"), nil // the chain that was recorded ends before
	}
	full := len(args) > 1 && args[1] == true
	switch {
	case !ok || !known || full && !b.full:
		return nil, errNotThere
	case full == b.full:
		return bytes.Clone(b.raw), nil
	}
	return withHashes(b.raw)
}

// withHashes puts the hashes of transactions in their place.
func withHashes(raw []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	var transactions []struct {
		Hash string `json:"hash"`
	}
	if err := json.Unmarshal(members["transactions"], &transactions); err != nil {
		return nil, err
	}
	hashes := make([]string, len(transactions))
	for i, tx := range transactions {
		hashes[i] = tx.Hash
	}
	text, err := json.Marshal(hashes)
	if err != nil {
		return nil, err
	}
	members["transactions"] = text
	return json.Marshal(members)
}

func (a *Answers) deriveReceipts(args []any) ([]byte, error) {
	number, ok := a.number(args)
	receipts, known := a.receipts[number]
	if ok && !known && number > a.last && len(a.blocks) > 0 {
		return []byte("null"), nil
	}
	if !ok || !known {
		return nil, errNotThere
	}
	return bytes.Clone(receipts), nil
}

// deriveLogs finds logs in the receipts of every block of a range, or in what
// others were answered.
func (a *Answers) deriveLogs(args []any) ([]byte, error) {
	var filter logfilter.Filter
	if text, err := json.Marshal(args); err != nil || json.Unmarshal(text, &[]*logfilter.Filter{&filter}) != nil {
		return nil, errNotThere
	}
	ends := [2]string{filter.FromBlock, filter.ToBlock}
	if filter.BlockHash != "" {
		ends = [2]string{filter.BlockHash, filter.BlockHash}
	}
	from, known := a.number([]any{ends[0]})
	to, ok := a.number([]any{ends[1]})
	if !known || !ok || from > to {
		return nil, errNotThere
	}
	logs, err := a.ofReceipts(&filter, from, to)
	if errors.Is(err, errNotThere) {
		chosen, _, _, _ := rangeOf(args)
		logs, err = a.listed(chosen, from, to)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(logs)
}

// ofReceipts finds logs in the receipts of every block of a range.
func (a *Answers) ofReceipts(filter *logfilter.Filter, from, to uint64) ([]json.RawMessage, error) {
	if to-from >= uint64(len(a.receipts)) {
		return nil, errNotThere
	}
	logs := []json.RawMessage{}
	for number := from; number <= to; number++ {
		receipts, known := a.receipts[number]
		if !known {
			return nil, errNotThere
		}
		var err error
		if logs, err = appendLogs(logs, receipts, filter); err != nil {
			return nil, err
		}
	}
	return logs, nil
}

func appendLogs(logs []json.RawMessage, receipts []byte, filter *logfilter.Filter) ([]json.RawMessage, error) {
	var all []struct{ Logs []json.RawMessage }
	if err := json.Unmarshal(receipts, &all); err != nil {
		return nil, err
	}
	for _, r := range all {
		for _, raw := range r.Logs {
			var l struct {
				Address string
				Topics  []string
			}
			if err := json.Unmarshal(raw, &l); err != nil {
				return nil, err
			}
			if filter.Takes(l.Address, l.Topics) {
				logs = append(logs, raw)
			}
		}
	}
	return logs, nil
}
