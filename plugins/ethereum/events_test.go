package main

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/fetch"
)

func TestEventsAsPeopleWriteThem(t *testing.T) {
	cases := map[string]string{
		"Transfer(address,address,uint256)":                                        "Transfer(address,address,uint256)",
		"event Transfer(address indexed from, address indexed to, uint256 value);": "Transfer(address,address,uint256)",
		"  Mint ( address indexed sender , uint amount0, int )":                    "Mint(address,uint256,int256)",
		"Ping()": "Ping()",
		"Order((address,uint256[2])[] orders, tuple(bytes32 a, (bool,string) b) indexed x, uint[] y)": "Order((address,uint256[2])[],(bytes32,(bool,string)),uint256[])",
	}
	for text, want := range cases {
		if got, err := normalize(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestEventsThatAreNone(t *testing.T) {
	cases := map[string]string{
		"":                            "is no event: write a signature such as",
		"Transfer":                    "is no event: write a signature such as",
		"0xddf2(address)":             "is no event",
		"Transfer(address":            "a parenthesis is not closed",
		"Transfer((address,uint256)":  "a parenthesis is not closed",
		"Transfer(addr)":              `"addr" is no type of a parameter`,
		"Transfer(uint256,)":          "is no type of a parameter",
		"Transfer(bytes33)":           "is no type of a parameter",
		"Transfer(address) returns":   `"returns" follows its parameters`,
		"Transfer(address) anonymous": "is anonymous: its logs do not have its hash",
	}
	for text, want := range cases {
		if got, err := normalize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q and %v, want an error with %q", text, got, err, want)
		}
	}
}

const (
	transferEvent = "Transfer(address,address,uint256)"
	transferTopic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
)

func TestEventsBecomeTheFirstTopic(t *testing.T) {
	l := &logs{Events: []string{transferEvent}, Topics: [][]common.Hash{{}, {{1}}}}
	f, err := l.filter(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := fetch.Filter{{Topics: [][]common.Hash{{common.HexToHash(transferTopic)}, {{1}}}}}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("filter (-want +got):\n%s", diff)
	}
}

// Each contract has its own events; the addresses outside of the blocks have those outside.
func TestContractsWithEventsOfTheirOwn(t *testing.T) {
	a, b, c, d := common.Address{1}, common.Address{2}, common.Address{3}, common.Address{4}
	transfer := [][]common.Hash{{common.HexToHash(transferTopic)}}
	own := contract{Address: a, Addresses: []common.Address{b}, Events: []string{transferEvent}}
	cases := map[string]struct {
		settings logs
		shared   []common.Address
		want     fetch.Filter
	}{
		"nothing":                        {logs{}, nil, fetch.Filter{{}}},
		"a contract":                     {logs{Contracts: []contract{own}}, nil, fetch.Filter{{Addresses: []common.Address{a, b}, Topics: transfer}}},
		"and addresses":                  {logs{Contracts: []contract{own}, Addresses: []common.Address{c, a, c}}, nil, fetch.Filter{{Addresses: []common.Address{a, b}, Topics: transfer}, {Addresses: []common.Address{c}}}},
		"and an event of whoever":        {logs{Contracts: []contract{{Address: a}}, Events: []string{transferEvent}}, nil, fetch.Filter{{Addresses: []common.Address{a}}, {Topics: transfer}}},
		"a set of nobody":                {logs{Shared: "addresses"}, []common.Address{}, nil},
		"a set, addresses and contracts": {logs{Shared: "x", Contracts: []contract{own}, Addresses: []common.Address{c}}, []common.Address{d, b}, fetch.Filter{{Addresses: []common.Address{a, b}, Topics: transfer}, {Addresses: []common.Address{c, d}}}},
	}
	for name, c := range cases {
		got, err := c.settings.filter(c.shared)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFiltersThatCannotBe(t *testing.T) {
	a := common.Address{1}
	cases := map[string]logs{
		"keep one of them":                      {Events: []string{transferEvent}, Topics: [][]common.Hash{{{2}}}},
		`events, number 2: "Sync" is no event`:  {Events: []string{transferEvent, "Sync"}},
		`contract 2: events, number 1: "Sync("`: {Contracts: []contract{{Address: a}, {Address: common.Address{2}, Events: []string{"Sync("}}}},
		"contract 1: it has no address":         {Contracts: []contract{{Events: []string{transferEvent}}}},
		"has a contract block already":          {Contracts: []contract{{Address: a}, {Address: a}}},
		"topics has 5 positions":                {Topics: make([][]common.Hash, 5)},
		"contract 1: topics has 5 positions":    {Contracts: []contract{{Address: a, Topics: make([][]common.Hash, 5)}}},
	}
	for want, settings := range cases {
		if _, err := settings.filter(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
