// Package logfilter is the parameter of eth_getLogs, for sources that have to
// answer it themselves because no node does.
package logfilter

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Filter chooses logs. What is empty takes all.
type Filter struct {
	FromBlock, ToBlock, BlockHash string
	Address                       Texts
	Topics                        []Texts // for each position
}

// Texts are one text or a list of them in JSON; null is none.
type Texts []string

// UnmarshalJSON reads a text, a list of texts, or null.
func (t *Texts) UnmarshalJSON(text []byte) error {
	var one *string
	if err := json.Unmarshal(text, &one); err == nil {
		*t = nil
		if one != nil {
			*t = Texts{*one}
		}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

func (t Texts) has(text string) bool {
	return len(t) == 0 || slices.ContainsFunc(t, func(want string) bool { return strings.EqualFold(want, text) })
}

// Takes tells whether the filter takes a log with this address and these topics,
// in hexadecimal.
func (f *Filter) Takes(address string, topics []string) bool {
	if !f.Address.has(address) {
		return false
	}
	for i, wanted := range f.Topics {
		if len(wanted) > 0 && (i >= len(topics) || !wanted.has(topics[i])) {
			return false
		}
	}
	return true
}

// MayTake tells by the bloom of a block whether it can have logs that the filter
// takes.
func (f *Filter) MayTake(bloom types.Bloom) bool {
	if bloom == (types.Bloom{}) {
		return false
	}
	for _, wanted := range append([]Texts{f.Address}, f.Topics...) {
		if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(text string) bool { return bloom.Test(common.FromHex(text)) }) {
			return false
		}
	}
	return true
}
