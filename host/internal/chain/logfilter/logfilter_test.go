package logfilter_test

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/penstock-io/penstock/host/internal/chain/logfilter"
)

func TestFilter(t *testing.T) {
	const a, b, x, y = "0x00000000000000000000000000000000000000Aa", "0x00000000000000000000000000000000000000bb", "0x01", "0x02"
	cases := []struct {
		filter  string
		address string
		topics  []string
		want    bool
	}{
		{`{}`, a, nil, true},
		{`{"address":null,"topics":null}`, a, []string{x}, true},
		{`{"address":[],"topics":[[]]}`, a, nil, true},
		{`{"address":"0x00000000000000000000000000000000000000AA"}`, a, nil, true},
		{`{"address":["` + b + `","` + a + `"]}`, a, nil, true},
		{`{"address":"` + b + `"}`, a, nil, false},
		{`{"topics":["0x01"]}`, a, []string{x, y}, true},
		{`{"topics":[null,["0x03","0x02"]]}`, a, []string{x, y}, true},
		{`{"topics":[null,"0x01"]}`, a, []string{x, y}, false},
		{`{"topics":[null,"0x01"]}`, a, []string{x}, false},
		{`{"topics":[null,null]}`, a, nil, true},
	}
	for _, c := range cases {
		var f logfilter.Filter
		if err := json.Unmarshal([]byte(c.filter), &f); err != nil {
			t.Fatalf("%s: %v", c.filter, err)
		}
		if got := f.Takes(c.address, c.topics); got != c.want {
			t.Errorf("%s takes %s %v: got %v", c.filter, c.address, c.topics, got)
		}
		bloom := types.BytesToBloom(nil)
		bloom.Add(common.FromHex(c.address))
		for _, topic := range c.topics {
			bloom.Add(common.FromHex(topic))
		}
		if c.want && !f.MayTake(bloom) {
			t.Errorf("%s may not take %s %v by its bloom", c.filter, c.address, c.topics)
		}
	}
	f := logfilter.Filter{Address: logfilter.Texts{b}}
	bloom := types.BytesToBloom(nil)
	bloom.Add(common.FromHex(a))
	if f.MayTake(bloom) || (&logfilter.Filter{}).MayTake(types.Bloom{}) {
		t.Error("a bloom that cannot have the address may have logs of it")
	}
}
