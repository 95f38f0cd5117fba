package decode

import "github.com/penstock-io/penstock/sdk/eth"

type transactionJSON struct {
	BlockHash            string      `json:"blockHash"`
	TransactionIndex     string      `json:"transactionIndex"`
	Hash                 string      `json:"hash"`
	Type                 string      `json:"type"`
	From                 string      `json:"from"`
	To                   string      `json:"to"`
	Nonce                string      `json:"nonce"`
	Value                string      `json:"value"`
	Input                string      `json:"input"`
	Gas                  string      `json:"gas"`
	GasPrice             string      `json:"gasPrice"`
	MaxFeePerGas         string      `json:"maxFeePerGas"`
	MaxPriorityFeePerGas string      `json:"maxPriorityFeePerGas"`
	MaxFeePerBlobGas     string      `json:"maxFeePerBlobGas"`
	BlobVersionedHashes  []string    `json:"blobVersionedHashes"`
	AccessList           []tupleJSON `json:"accessList"`
	AuthorizationList    []authJSON  `json:"authorizationList"`
	ChainID              string      `json:"chainId"`
	V                    string      `json:"v"`
	R                    string      `json:"r"`
	S                    string      `json:"s"`
}

type tupleJSON struct {
	Address     string   `json:"address"`
	StorageKeys []string `json:"storageKeys"`
}

type authJSON struct {
	ChainID string `json:"chainId"`
	Address string `json:"address"`
	Nonce   string `json:"nonce"`
	YParity string `json:"yParity"`
	R       string `json:"r"`
	S       string `json:"s"`
}

func (d *Decoder) transaction(j *transactionJSON, tx *eth.Transaction) {
	tx.BlockHash = d.needHash("blockHash", j.BlockHash)
	tx.TransactionIndex = d.needQuantity("transactionIndex", j.TransactionIndex)
	tx.TransactionHash = d.needHash("hash", j.Hash)
	tx.TransactionType = d.octet("type", j.Type)
	tx.From = d.address("from", j.From)
	tx.To = d.optAddress("to", j.To)
	tx.Nonce = d.quantity("nonce", j.Nonce)
	tx.Value = d.word("value", j.Value)
	tx.Input = d.data("input", j.Input)
	tx.GasLimit = d.quantity("gas", j.Gas)
	tx.GasPrice = d.word("gasPrice", j.GasPrice)
	tx.MaxFeePerGas = d.optWord("maxFeePerGas", j.MaxFeePerGas)
	tx.MaxPriorityFeePerGas = d.optWord("maxPriorityFeePerGas", j.MaxPriorityFeePerGas)
	tx.MaxFeePerBlobGas = d.optWord("maxFeePerBlobGas", j.MaxFeePerBlobGas)
	tx.BlobVersionedHashes = d.hashList("blobVersionedHashes", j.BlobVersionedHashes)
	tx.ChainID = d.ChainID
	if d.ChainID == 0 {
		tx.ChainID = d.quantity("chainId", j.ChainID)
	}
	tx.InputBytes = uint64(len(tx.Input))
	tx.V, tx.R, tx.S = d.word("v", j.V), d.word("r", j.R), d.word("s", j.S)
	for _, t := range j.AccessList {
		tx.AccessList = append(tx.AccessList, eth.AccessTuple{
			Address: d.address("accessList.address", t.Address), StorageKeys: d.hashList("accessList.storageKeys", t.StorageKeys),
		})
	}
	for _, a := range j.AuthorizationList {
		tx.AuthorizationList = append(tx.AuthorizationList, eth.Authorization{
			ChainID: d.word("authorizationList.chainId", a.ChainID), Address: d.address("authorizationList.address", a.Address),
			Nonce: d.quantity("authorizationList.nonce", a.Nonce), YParity: d.octet("authorizationList.yParity", a.YParity),
			R: d.word("authorizationList.r", a.R), S: d.word("authorizationList.s", a.S),
		})
	}
}
