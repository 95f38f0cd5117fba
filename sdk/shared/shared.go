// Package shared is the state that the steps of a pipeline share: sets of words
// that people and programs change while it runs, such as the addresses that a
// reader is to look at. It is no part of any checkpoint: after a rewind a step
// goes on with what is there then.
package shared

import "context"

// Value is a set at one time.
type Value struct {
	Version uint64   // greater with every change
	Members []string // sorted
}

// Query names a set.
type Query struct {
	Plugin string // who asks; set by the host
	Step   string // pipeline/step that asks: the set is that of its pipeline
	Key    string
}

// Service tells what sets hold. It is safe for concurrent use.
type Service interface {
	// Watch calls take with the set as it is, and again whenever it has changed,
	// until ctx ends or take returns an error. Changes that follow each other fast
	// may be told as one.
	Watch(ctx context.Context, q Query, take func(Value) error) error
}
