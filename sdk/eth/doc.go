// Package eth has the row types of an Ethereum chain: what the readers of a node emit and what a plugin declares as its input.
//
//	eth.Header              eth.header               one row per block
//	eth.Block               eth.block                the same with its transactions, their receipts and the withdrawals
//	eth.Transaction         eth.transaction          one row per transaction, with the fields of its receipt
//	eth.Receipt             eth.receipt              one row per receipt
//	eth.Log                 eth.log                  one row per log
//	eth.Trace               eth.trace                one row per call, creation, destruction or reward
//	eth.Balance             eth.balance              one row per account and block that was asked for
//	eth.Call                eth.call                 one row per function and block that was asked for
//	eth.Gas                 eth.gas                  one row per block
//	eth.Epoch               eth.epoch                one row per stretch of blocks
//	eth.PendingTransaction  eth.pending_transaction  one row per transaction that waits
//
// Every type has the columns block_number, block_hash, timestamp and chain_id, but what waits has no block and its block_number is that
// of the head. Amounts are in wei and uint256, whatever their usual size, because the chain does not bound them further. A pointer is
// nil where the chain has no such field: before the fork that brought it, for another type of transaction, or where it was not asked for.
//
// For the same dataset the columns are at least those of cryo and ethereum-etl. Comments say what a column is called there where its name
// differs.
//
// A plugin need not take a type as it is. A struct of its own with the same TransitType and a few of the columns is cheaper, as only the
// columns that it names are decoded:
//
//	type Log struct {
//		BlockNumber uint64
//		Address     common.Address
//		Topics      []common.Hash
//	}
//
//	func (Log) TransitType() string { return "eth.log" }
//
// Package decode makes rows of what a node answers, package verify checks that the chain is what the rows say.
package eth
