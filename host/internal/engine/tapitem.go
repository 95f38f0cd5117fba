package engine

import "github.com/penstock-io/penstock/sdk/transit"

// TapItem is what a tap shows next: one of its fields.
type TapItem struct {
	Type *transit.Type // of the rows that follow: before the first, and when it changes
	News *TapNews
	Rows *TapRows
}

// TapRows are rows that follow each other.
type TapRows struct {
	Missed     uint64 // rows before these that were not given out
	First      uint64 // number of the first, among all since the tap was opened, from 0
	Count      int
	Generation uint64
	Body       []byte // one record batch message
}

// TapNews is something that has happened to the path, in its place among the
// rows.
type TapNews struct {
	Kind       NewsKind
	Generation uint64
	Block      *uint64   // of NewsRewound: the last block that is kept; nil: the path begins anew
	State      PathState // of NewsState
	Cause      string
}

// NewsKind says what has happened.
type NewsKind string

// The kinds of news.
const (
	NewsRewound NewsKind = "rewound" // the path went back to a checkpoint
	NewsSwapped NewsKind = "swapped" // another plugin has taken over
	NewsState   NewsKind = "state"   // the path is paused, or runs again, or has ended
)
