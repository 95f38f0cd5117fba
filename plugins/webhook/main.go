// Command webhook sends rows to a URL, as JSON.
//
// Each request has rows of one step in their order, and the next is sent when it
// was answered with 2xx:
//
//	POST /hook HTTP/1.1
//	Content-Type: application/json
//	Idempotency-Key: swaps%2Flogs/hook/swaps/40/c3499c2729730a7f807efb8676a92dcb/2
//	Penstock-Generation: 1700000003
//	Penstock-Timestamp: 1700000000
//	Penstock-Signature: sha256=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd
//
//	{
//	  "domain": "swaps/logs", "pipeline": "swaps", "step": "hook",
//	  "input": "swaps", "type": "uniswap.swap",
//	  "rows": [
//	    {"key": "swaps%2Flogs/hook/swaps/40/6f8db599de986fab7a21625b7916589c", "number": 40, "row": {"block_number": 19000000, ...}},
//	    {"key": "swaps%2Flogs/hook/swaps/41/0ef9a97f5d0e5e8a4a7cde1bd0b7b5ac", "number": 41, "row": {"block_number": 19000001, ...}}
//	  ]
//	}
//
// It is on one line. In a row, integers of up to 64 bits, floats and booleans
// stand bare; addresses, hashes, bytes, uint256, bigint and times are strings.
//
// A key is domain/step/input/number/digest, with names escaped as in a URL. The
// number is that of the row on its input since the domain began, from 0. The
// digest is the first half of the SHA-256 of the row as it is written in the
// body, in hexadecimal. Idempotency-Key names exactly the rows of a request: it has
// the number of the first, a digest of the digests of all, and how many they are.
// Nothing else in the body changes, so that the same key has the same body.
//
// # At least once
//
// Nobody can take back what was sent. After a crash, rows come again that had
// come after the newest checkpoint, each with the key that it had before, and
// no other row of the same data directory ever has that key: a receiver that
// remembers the keys of rows has every row once. Those of requests do not do for
// that, as the same rows may be cut into requests otherwise than before.
//
// Without an outbox a checkpoint waits until its rows are with the receiver: while
// it is away the pipeline stands still, with all of its other loaders, and goes
// on where it was. With an outbox a checkpoint waits until its rows lie there, on
// the disk, and the pipeline waits only when the outbox has its size. What is in
// the outbox is sent in order, for as long as it takes, by the next process if
// this one dies. Requests whose rows a rewind takes back are dropped there if they
// were not sent yet.
//
// There is one exception. Where a row is left out because it breaks a step,
// rows after it may have other numbers when they come again, and so other keys.
//
// # Reorganisations
//
// Where the chain has reorganised, rows that are the same at the same place
// come again with the keys that they had, and others in the place of the rest.
// A receiver that remembers no more than keys keeps the rest too. One that keeps
// rows with domain, step, input and number can undo it, for each row that comes:
//
//   - its number is not there: keep it.
//   - it is there with the same key: it has come again, and there is nothing to do.
//   - it is there with another key: remove that row and all with greater numbers,
//     together with what is remembered of their keys, and keep this one. What
//     still holds of the others comes again after it.
//
// So an undone row stays until another comes in its place. A reorganisation
// that happened while nobody was there to notice is no different, nor is a
// pipeline that begins anew (`penstock run --fresh`): it numbers from 0 again.
//
// Penstock-Generation grows whenever a domain begins or goes on. A request with
// a lesser one than the domain has had is from a process that does not know yet
// that it is dead: a receiver that removes rows refuses it, as it could put back
// what was undone.
//
// A step with `after = "final"` gets rows that no reorganisation undoes.
//
// # Signature
//
// The header Penstock-Signature has one signature, or two with a comma between
// them: sha256= is with secret, the HMAC-SHA256 of the timestamp, a dot, and the
// body; ed25519= is with signing_key, the Ed25519 signature of the same. Both are
// in hexadecimal. The timestamp is that of the attempt, in seconds since 1970: a
// receiver refuses requests that are older than it can explain.
//
// # Answers
//
// 2xx: the rows are there for good. 408, 425, 429 and 5xx, no answer within the
// timeout and no connection: the request is sent again, after a random pause whose
// bound grows from half a second to half a minute, and what Retry-After says
// before that; until give_up_after, when the host starts the step anew by its own
// rules. Everything else stops the path: a receiver that does not want the rows
// will not want them the next time, and one that says 410 is gone. Redirects are
// not followed, because rows would go where nobody has told them to.
//
// # Order
//
// Requests follow each other: the next one is sent when the one before it was
// answered. With concurrency, those of different steps do not wait for each
// other; those of one step still do.
package main

import (
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
)

func main() { sdk.Serve(register()) }

func register() sdk.Register {
	return sdk.BatchLoader("webhook", defaults()).
		Doc("Sends rows to a URL as JSON, at least once, each with a key that stays the same when it comes again.").
		Network()
}

func defaults() *webhook {
	return &webhook{Method: "POST", Timeout: 10 * time.Second, GiveUpAfter: time.Minute, Concurrency: 1, Limits: gather.Default()}
}
