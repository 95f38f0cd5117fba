// Command ethereum reads an Ethereum node over HTTP, WebSocket or IPC: headers, blocks, transactions, receipts and logs, from any
// block to the head and then as the chain grows.
//
// Each register is a struct of settings whose Read ties three packages together: node asks the endpoints, fetch turns what they answer
// into rows, follow decides which blocks to read next and what to make of a reorg.
package main

import "github.com/penstock-io/penstock/sdk"

func main() { sdk.Serve(registers()...) }

// registers is what the plugin serves, with the defaults of their settings.
func registers() []sdk.Register {
	return []sdk.Register{
		sdk.Reader("eth.headers", &headers{
			Batch: manyBlocks, connection: defaults(),
		}).Doc("reads block headers").Network(),
		sdk.Reader("eth.blocks", &blocks{
			Receipts: true, Batch: fewBlocks, connection: defaults(),
		}).Doc("reads blocks with their transactions, receipts and withdrawals").Network(),
		sdk.Reader("eth.transactions", &transactions{
			Receipts: true, Batch: fewBlocks, connection: defaults(),
		}).Doc("reads transactions with the fields of their receipts").Network(),
		sdk.Reader("eth.receipts", &receipts{
			Batch: fewBlocks, connection: defaults(),
		}).Doc("reads receipts of transactions").Network(),
		sdk.Reader("eth.logs", &logs{
			Range: mostBlocks, connection: defaults(),
		}).Doc("reads logs of contracts, by address, event and topic").Network().Addressable(),
	}
}
