package era

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/penstock-io/penstock/host/internal/chain/logfilter"
	"github.com/penstock-io/penstock/sdk/chain"
)

// Answer answers one call as a node would: with JSON, "null" for what is not
// there. An error that a node would answer is a *chain.RPCError.
func (f *Files) Answer(ctx context.Context, method string, params []byte) ([]byte, error) {
	var args []json.RawMessage
	if err := json.Unmarshal(params, &args); err != nil {
		return nil, invalid("the parameters are no array: %v", err)
	}
	result, err := f.result(ctx, method, args)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

func (f *Files) result(ctx context.Context, method string, args []json.RawMessage) (any, error) {
	switch method {
	case "eth_chainId":
		return (*hexutil.Big)(f.config.ChainID), nil
	case "eth_blockNumber":
		return hexutil.Uint64(f.Last()), nil
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		p, found, err := f.read(args, true, false)
		if err != nil || !found {
			return nil, err
		}
		full := len(args) > 1 && string(args[1]) == "true"
		return blockObject(p, full, f.config)
	case "eth_getBlockReceipts":
		p, found, err := f.read(args, true, true)
		if err != nil || !found {
			return nil, err
		}
		return receiptObjects(p, f.config)
	case "eth_getLogs":
		return f.logs(ctx, args)
	}
	return nil, &chain.RPCError{Code: -32601, Message: fmt.Sprintf("method %s is not available: era1 files have blocks, receipts and logs only", method)}
}

func invalid(format string, args ...any) error {
	return &chain.RPCError{Code: -32602, Message: fmt.Sprintf(format, args...)}
}

// read reads the block that the first parameter names.
func (f *Files) read(args []json.RawMessage, body, receipts bool) (p part, found bool, err error) {
	if len(args) == 0 {
		return part{}, false, invalid("which block is meant is missing")
	}
	var which string
	if err := json.Unmarshal(args[0], &which); err != nil {
		return part{}, false, invalid("which block is meant: %v", err)
	}
	number, found, err := f.number(which)
	if err != nil || !found {
		return part{}, false, err
	}
	return f.at(number, body, receipts)
}

// number is the height of a block that is named by height, tag or hash.
func (f *Files) number(which string) (number uint64, found bool, err error) {
	switch which {
	case "earliest":
		return f.First(), true, nil
	case "latest", "safe", "finalized":
		return f.Last(), true, nil
	}
	if len(which) == 2+2*common.HashLength {
		number, found = f.numberOf(common.HexToHash(which))
		return number, found, nil
	}
	number, err = strconv.ParseUint(which, 0, 64)
	if err != nil || !strings.HasPrefix(which, "0x") {
		return 0, false, invalid("%q is no height of a block", which)
	}
	return number, true, nil
}

// at reads a block; not found where the files do not have it.
func (f *Files) at(number uint64, body, receipts bool) (part, bool, error) {
	file, err := f.find(number)
	if err != nil || file == nil {
		return part{}, false, err
	}
	p, err := file.block(number, body, receipts)
	if err != nil {
		return part{}, false, err
	}
	f.remember(p.header.Hash(), number)
	return p, true, nil
}

// mostLogs bounds an answer of eth_getLogs.
const mostLogs = 20_000

func (f *Files) logs(ctx context.Context, args []json.RawMessage) (any, error) {
	var want logfilter.Filter
	if len(args) == 0 {
		return nil, invalid("the filter is missing")
	}
	if err := json.Unmarshal(args[0], &want); err != nil {
		return nil, invalid("the filter: %v", err)
	}
	from, to, err := f.bounds(want)
	if err != nil {
		return nil, err
	}
	logs := []*types.Log{}
	for number := from; number <= to; number++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if logs, err = f.appendLogs(logs, number, &want); err != nil {
			return nil, err
		}
		if len(logs) > mostLogs && from < to {
			return nil, &chain.RPCError{Code: -32005, Message: fmt.Sprintf("query returned more than %d results", mostLogs)}
		}
	}
	return logs, nil
}

func (f *Files) appendLogs(logs []*types.Log, number uint64, want *logfilter.Filter) ([]*types.Log, error) {
	p, _, err := f.at(number, false, false)
	if err != nil || !want.MayTake(p.header.Bloom) {
		return logs, err
	}
	if p, _, err = f.at(number, true, true); err != nil {
		return nil, err
	}
	if err := derive(p, f.config); err != nil {
		return nil, err
	}
	for _, r := range p.receipts {
		for _, l := range r.Logs {
			if want.Takes(l.Address.Hex(), topicsOf(l)) {
				l.BlockTimestamp = p.header.Time
				logs = append(logs, l)
			}
		}
	}
	return logs, nil
}

func topicsOf(l *types.Log) []string {
	topics := make([]string, len(l.Topics))
	for i, t := range l.Topics {
		topics[i] = t.Hex()
	}
	return topics
}

// bounds are the blocks that a filter means, which the files must have.
func (f *Files) bounds(want logfilter.Filter) (from, to uint64, err error) {
	ends := [2]string{want.FromBlock, want.ToBlock}
	if want.BlockHash != "" {
		ends = [2]string{want.BlockHash, want.BlockHash}
	}
	var at [2]uint64
	for i, which := range ends {
		if which == "" {
			which = "latest"
		}
		number, found, err := f.number(which)
		if err != nil {
			return 0, 0, err
		}
		if !found || number < f.First() || number > f.Last() {
			return 0, 0, &chain.RPCError{Code: -32000, Message: fmt.Sprintf("unknown block %s: the files have blocks %d to %d", which, f.First(), f.Last())}
		}
		at[i] = number
	}
	if at[0] > at[1] {
		return 0, 0, invalid("invalid block range params: from block %d to block %d", at[0], at[1])
	}
	return at[0], at[1], nil
}
