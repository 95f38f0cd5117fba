package main

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/penstock-io/penstock/sdk"
)

// log is what the subscribers need of a log.
type log struct {
	BlockNumber     uint64
	BlockHash       common.Hash
	Timestamp       time.Time
	TransactionHash common.Hash
	LogIndex        uint64
	Address         common.Address
	Topics          []common.Hash
	Data            []byte
}

// TransitType says that a log comes from a reader of logs.
func (log) TransitType() string { return "eth.log" }

// event is the shape of the logs that an event leaves.
type event struct {
	topic   common.Hash // of its signature
	indexed int         // arguments that are topics
	words   int         // arguments of 32 bytes each that are data
}

func newEvent(signature string, indexed, words int) event {
	return event{crypto.Keccak256Hash([]byte(signature)), indexed, words}
}

// matches tells whether a log has the shape of the event. Any contract may emit anything under any topic, so the number of
// topics and the length of the data count too.
func (e event) matches(l *log) bool {
	return len(l.Topics) == 1+e.indexed && l.Topics[0] == e.topic && len(l.Data) == 32*e.words
}

// word is the i-th argument in the data of a log.
func (l *log) word(i int) []byte { return l.Data[32*i : 32*i+32] }

// address is the i-th indexed argument, if it is an address: its upper 12 bytes are zero.
func (l *log) address(i int) (common.Address, bool) {
	topic := l.Topics[1+i]
	return common.BytesToAddress(topic[12:]), [12]byte(topic[:12]) == [12]byte{}
}

// chosen is the setting that limits a subscriber to some pairs.
type chosen struct {
	Pairs []common.Address `hcl:"pairs,optional" doc:"only these pairs; none: all that emit the event"`

	pairs map[common.Address]bool
}

// Start prepares the look-up of pairs.
func (c *chosen) Start(context.Context, sdk.Start) error { //nolint:unparam // it is an sdk.Starter
	c.pairs = make(map[common.Address]bool, len(c.Pairs))
	for _, pair := range c.Pairs {
		c.pairs[pair] = true
	}
	return nil
}

func (c *chosen) has(pair common.Address) bool { return len(c.pairs) == 0 || c.pairs[pair] }
