package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
)

// filter is which logs the settings choose; shared are addresses of the pipeline's shared state, nil where the settings name no set.
func (l *logs) filter(shared []common.Address) (fetch.Filter, error) {
	topics, err := topicsOf(l.Events, l.Topics)
	if err != nil {
		return nil, err
	}
	f, taken, err := l.contracts()
	if err != nil {
		return nil, err
	}
	var others []common.Address
	for _, a := range slices.Concat(l.Addresses, shared) {
		if !taken[a] {
			taken[a] = true
			others = append(others, a)
		}
	}
	whoever := len(l.Addresses) == 0 && shared == nil && l.Shared == ""
	if len(others) > 0 || whoever && (len(f) == 0 || len(topics) > 0) {
		f = append(f, fetch.Group{Addresses: others, Topics: topics})
	}
	return f, nil
}

// contracts is the groups of the contract blocks, and the addresses in them.
func (l *logs) contracts() (f fetch.Filter, taken map[common.Address]bool, err error) {
	taken = map[common.Address]bool{}
	for i, c := range l.Contracts {
		g, err := c.group()
		if err != nil {
			return nil, nil, fmt.Errorf("contract %d: %w", i+1, err)
		}
		for _, a := range g.Addresses {
			if taken[a] {
				return nil, nil, fmt.Errorf("contract %d: %s has a contract block already: write all its events into one", i+1, a)
			}
			taken[a] = true
		}
		f = append(f, g)
	}
	return f, taken, nil
}

// group is the logs of a contract block.
func (c *contract) group() (fetch.Group, error) {
	g := fetch.Group{Addresses: c.Addresses}
	if c.Address != (common.Address{}) {
		g.Addresses = append([]common.Address{c.Address}, c.Addresses...)
	}
	if len(g.Addresses) == 0 {
		return g, errors.New(`it has no address: write address = "0x…"`)
	}
	var err error
	g.Topics, err = topicsOf(c.Events, c.Topics)
	return g, err
}

// topicsOf is topics with events in their first position.
func topicsOf(events []string, topics [][]common.Hash) ([][]common.Hash, error) {
	if len(topics) > 4 {
		return nil, fmt.Errorf("topics has %d positions: a log has at most 4", len(topics))
	}
	if len(events) == 0 {
		return topics, nil
	}
	if len(topics) > 0 && len(topics[0]) > 0 {
		return nil, errors.New("events and the first position of topics both say which events: keep one of them")
	}
	var ids []common.Hash
	for i, text := range events {
		signature, err := normalize(text)
		if err != nil {
			return nil, fmt.Errorf("events, number %d: %w", i+1, err)
		}
		ids = append(ids, crypto.Keccak256Hash([]byte(signature)))
	}
	return append([][]common.Hash{ids}, topics[min(1, len(topics)):]...), nil
}

var (
	eventName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)
	plainType = regexp.MustCompile(`^(address|bool|string|function|bytes([1-9]|[12][0-9]|3[0-2])?|u?int([0-9]+)?)(\[[0-9]*\])*$`)
	shortInt  = regexp.MustCompile(`^(u?int)(\[|$)`)
	arrays    = regexp.MustCompile(`^(\[[0-9]*\])*$`)
)

// normalize turns an event as people write it, with names, spaces and "indexed", into the form that is hashed:
// Transfer(address,address,uint256).
func normalize(text string) (string, error) {
	text = strings.TrimSuffix(strings.TrimSpace(text), ";")
	text = strings.TrimSpace(strings.TrimPrefix(text, "event "))
	name, rest, found := strings.Cut(text, "(")
	name = strings.TrimSpace(name)
	if !found || !eventName.MatchString(name) {
		return "", fmt.Errorf("%q is no event: write a signature such as Transfer(address,address,uint256)", text)
	}
	types, rest, err := tuple("(" + rest)
	if err != nil {
		return "", fmt.Errorf("%q is no event: %w", text, err)
	}
	if rest = strings.TrimSpace(rest); rest != "" && rest != "anonymous" {
		return "", fmt.Errorf("%q is no event: %q follows its parameters", text, rest)
	}
	if rest == "anonymous" {
		return "", fmt.Errorf("%q is anonymous: its logs do not have its hash, choose them by addresses or topics", text)
	}
	return name + types, nil
}

// tuple reads a list of parameters in parentheses and returns it in canonical form, and what follows it.
func tuple(text string) (canonical, rest string, err error) {
	var types []string
	rest = strings.TrimSpace(text[1:])
	if after, empty := strings.CutPrefix(rest, ")"); empty {
		return "()", after, nil
	}
	for {
		var one string
		if one, rest, err = parameter(rest); err != nil {
			return "", "", err
		}
		types = append(types, one)
		if rest == "" {
			return "", "", errors.New("a parenthesis is not closed")
		}
		separator := rest[0]
		rest = strings.TrimSpace(rest[1:])
		if separator == ')' {
			return "(" + strings.Join(types, ",") + ")", rest, nil
		}
	}
}

// parameter reads one parameter: its type, and perhaps "indexed" and a name, up to the comma or parenthesis that ends it.
func parameter(text string) (canonical, rest string, err error) {
	if inner, nested := strings.CutPrefix(text, "tuple("); nested {
		text = "(" + inner
	}
	if strings.HasPrefix(text, "(") {
		if canonical, text, err = tuple(text); err != nil {
			return "", "", err
		}
	}
	end := strings.IndexAny(text, ",)")
	if end < 0 {
		return "", "", errors.New("a parenthesis is not closed")
	}
	words := strings.Fields(text[:end])
	rest = text[end:]
	if canonical != "" {
		if strings.HasPrefix(text, "[") && len(words) > 0 && arrays.MatchString(words[0]) {
			canonical += words[0]
		}
		return canonical, rest, nil
	}
	if len(words) == 0 || !plainType.MatchString(words[0]) {
		return "", "", fmt.Errorf("%q is no type of a parameter", strings.Join(words, " "))
	}
	return shortInt.ReplaceAllString(words[0], "${1}256${2}"), rest, nil
}
