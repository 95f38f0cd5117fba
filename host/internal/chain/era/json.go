package era

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// object is JSON as nodes write it: what go-ethereum's own types write, and what
// nodes add to it.
type object map[string]any

// with makes an object of what a value writes as JSON.
func with(value any) (object, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	o := make(object, len(members)+4)
	for name, raw := range members {
		if string(raw) != "null" {
			o[name] = raw
		}
	}
	return o, nil
}

// blockObject is the answer to eth_getBlockByNumber.
func blockObject(p part, full bool, config *params.ChainConfig) (object, error) {
	o, err := with(p.header)
	if err != nil {
		return nil, err
	}
	block := types.NewBlockWithHeader(p.header).WithBody(*p.body)
	o["size"] = hexutil.Uint64(block.Size())
	o["totalDifficulty"] = (*hexutil.Big)(p.td)
	uncles := make([]common.Hash, len(p.body.Uncles))
	for i, uncle := range p.body.Uncles {
		uncles[i] = uncle.Hash()
	}
	o["uncles"] = uncles
	if p.body.Withdrawals != nil {
		o["withdrawals"] = p.body.Withdrawals
	}
	transactions := make([]any, len(p.body.Transactions))
	signer := types.MakeSigner(config, p.header.Number, p.header.Time)
	for i, tx := range p.body.Transactions {
		transactions[i] = tx.Hash()
		if full {
			if transactions[i], err = transactionObject(tx, i, p.header, signer); err != nil {
				return nil, err
			}
		}
	}
	o["transactions"] = transactions
	return o, nil
}

func transactionObject(tx *types.Transaction, index int, header *types.Header, signer types.Signer) (object, error) {
	o, err := with(tx)
	if err != nil {
		return nil, err
	}
	from, err := types.Sender(signer, tx)
	if err != nil {
		return nil, fmt.Errorf("find out who sent transaction %s: %w", tx.Hash(), err)
	}
	price := tx.GasPrice()
	if header.BaseFee != nil && tx.Type() >= types.DynamicFeeTxType {
		price = new(big.Int).Add(header.BaseFee, tx.EffectiveGasTipValue(header.BaseFee))
	}
	o["from"], o["gasPrice"] = from, (*hexutil.Big)(price)
	o["blockHash"], o["blockNumber"], o["transactionIndex"] = header.Hash(), (*hexutil.Big)(header.Number), hexutil.Uint64(index)
	return o, nil
}

// derive completes receipts by what follows from their block.
func derive(p part, config *params.ChainConfig) error {
	for i, r := range p.receipts {
		if i < len(p.body.Transactions) {
			r.Type = p.body.Transactions[i].Type()
		}
	}
	return p.receipts.DeriveFields(config, p.header.Hash(), p.header.Number.Uint64(), p.header.Time, p.header.BaseFee, nil, p.body.Transactions)
}

// receiptObjects is the answer to eth_getBlockReceipts.
func receiptObjects(p part, config *params.ChainConfig) ([]object, error) {
	if err := derive(p, config); err != nil {
		return nil, err
	}
	signer := types.MakeSigner(config, p.header.Number, p.header.Time)
	all := make([]object, len(p.receipts))
	for i, r := range p.receipts {
		o, err := with(r)
		if err != nil {
			return nil, err
		}
		tx := p.body.Transactions[i]
		from, err := types.Sender(signer, tx)
		if err != nil {
			return nil, fmt.Errorf("find out who sent transaction %s: %w", tx.Hash(), err)
		}
		o["from"], o["to"] = from, tx.To()
		if len(r.PostState) > 0 {
			delete(o, "status") // from before there was one
		}
		if r.ContractAddress == (common.Address{}) {
			delete(o, "contractAddress")
		}
		if r.Logs == nil {
			o["logs"] = []any{}
		}
		all[i] = o
	}
	return all, nil
}
