package main

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
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

func TestEventsBecomeTheFirstTopic(t *testing.T) {
	l := &logs{Events: []string{"Transfer(address,address,uint256)"}, Topics: [][]common.Hash{{}, {{1}}}}
	f, err := l.filter()
	if err != nil {
		t.Fatal(err)
	}
	want := common.HexToHash("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
	if len(f.Topics) != 2 || len(f.Topics[0]) != 1 || f.Topics[0][0] != want || f.Topics[1][0] != (common.Hash{1}) {
		t.Errorf("got topics %v", f.Topics)
	}
	l.Topics = [][]common.Hash{{{2}}}
	if _, err := l.filter(); err == nil || !strings.Contains(err.Error(), "keep one of them") {
		t.Errorf("got %v, want an error that says to keep one", err)
	}
}
