// Command ethereum reads an Ethereum chain, from any block to the head and then as the chain grows: what is in its blocks (headers,
// transactions, receipts, logs, traces), what the state is after them (balances, calls of contracts), what gas costs, and what waits to
// be put into one. It asks nodes through its host and needs no network of its own.
//
// Each register is a struct of settings whose Read ties three packages together: one turns what nodes answer into rows (fetch for what is
// in blocks; trace, balance, call and gas), view watches the chain as a whole, follow decides which blocks to read next and what to make
// of a reorg. Only mempool goes its own way: what waits is in no block.
package main

import "github.com/penstock-io/penstock/sdk"

func main() { sdk.Serve(registers()...) }

// registers is what the plugin serves, with the defaults of their settings.
func registers() []sdk.Register {
	return []sdk.Register{
		sdk.Reader("eth.headers", &headers{
			Batch: manyBlocks, connection: defaults(),
		}).Doc("reads block headers"),
		sdk.Reader("eth.blocks", &blocks{
			Receipts: true, Batch: fewBlocks, connection: defaults(),
		}).Doc("reads blocks with their transactions, receipts and withdrawals"),
		sdk.Reader("eth.transactions", &transactions{
			Receipts: true, Batch: fewBlocks, connection: defaults(),
		}).Doc("reads transactions with the fields of their receipts"),
		sdk.Reader("eth.receipts", &receipts{
			Batch: fewBlocks, connection: defaults(),
		}).Doc("reads receipts of transactions"),
		sdk.Reader("eth.logs", &logs{
			Range: mostBlocks, connection: defaults(),
		}).Doc("reads logs of contracts, by address, event and topic").Addressable(),
		tracesRegister(), balancesRegister(), callsRegister(), pendingRegister(), gasRegister(), epochsRegister(),
	}
}
