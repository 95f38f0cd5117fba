// Command webhook sends rows to a URL, as JSON.
//
// Each request has rows of one step in their order, and the next is sent when it
// was answered with 2xx:
//
//	POST /hook HTTP/1.1
//	Content-Type: application/json
//	Idempotency-Key: swaps%2Flogs/hook/12/0/swaps/1-2
//	Penstock-Timestamp: 1700000000
//	Penstock-Signature: sha256=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd
//
//	{
//	  "domain": "swaps/logs", "pipeline": "swaps", "step": "hook",
//	  "input": "swaps", "type": "uniswap.swap", "checkpoint": 12, "forks": 0,
//	  "rows": [
//	    {"key": "swaps%2Flogs/hook/12/0/swaps/1", "row": {"block_number": 19000000, ...}},
//	    {"key": "swaps%2Flogs/hook/12/0/swaps/2", "row": {"block_number": 19000001, ...}}
//	  ]
//	}
//
// It is on one line. In a row, integers of up to 64 bits, floats and booleans
// stand bare; addresses, hashes, bytes, uint256, bigint and times are strings.
//
// # At least once
//
// Nobody can take back what was sent. After a crash, rows come again that had
// come after the newest checkpoint, each with the key that it had before: a
// receiver that remembers keys has every row once. The same rows may be cut
// into requests otherwise than before; that of a request names exactly its rows.
//
// Where the chain has reorganised, rows come with a checkpoint and more forks
// than before: what had come with that checkpoint or a later one, and fewer
// forks, is undone. A step with `after = "final"` gets no such rows.
//
// A pipeline that begins anew (`penstock run --fresh`) counts from the beginning
// again: its receiver has to forget the keys that it knows.
//
// # Signature
//
// With secret, the signature is the HMAC-SHA256 of the timestamp, a dot, and the
// body, in hexadecimal. The timestamp is that of the attempt, in seconds since
// 1970: a receiver refuses requests that are older than it can explain.
//
// # Answers
//
// 2xx: the rows are there for good. 408, 425, 429 and 5xx, no answer within the
// timeout and no connection: the request is sent again, after what Retry-After
// says or a pause that grows, until give_up_after, when the host starts the step
// anew by its own rules. Everything else stops the path: a receiver that does
// not want the rows will not want them the next time. Redirects are not
// followed, because rows would go where nobody has told them to.
package main

import (
	"time"

	"github.com/penstock-io/penstock/sdk"
)

func main() { sdk.Serve(register()) }

func register() sdk.Register {
	return sdk.BatchLoader("webhook", defaults()).
		Doc("Sends rows to a URL as JSON, at least once, each with a key that stays the same when it comes again.")
}

func defaults() *webhook {
	return &webhook{Method: "POST", Timeout: 10 * time.Second, Rows: 100, GiveUpAfter: time.Minute}
}
