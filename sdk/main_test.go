package sdk_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// transfer is what most registers here read and emit.
type transfer struct {
	BlockNumber uint64
	From, To    string
	Value       uint64
	Memo        []byte
}

func (transfer) TransitType() string { return "token.transfer" }

// value is a transfer seen by those who need less of it.
type value struct {
	Value       uint64
	BlockNumber uint64
}

func (value) TransitType() string { return "token.transfer" }

// note is a row that carries something of any size.
type note struct{ Text []byte }

func (note) TransitType() string { return "test.note" }

func transfers(n int) []transfer {
	rows := make([]transfer, n)
	for i := range rows {
		rows[i] = transfer{BlockNumber: uint64(i), From: "a", To: "b", Value: uint64(i), Memo: []byte{byte(i)}}
	}
	return rows
}

func at(block uint64) *sdk.Cursor { return &sdk.Cursor{Block: block} }

func to(block uint64) *uint64 { return new(block) }
