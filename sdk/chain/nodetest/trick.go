package nodetest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
)

// Trick is a way in which nodes answer wrongly.
type Trick struct {
	Name   string
	Method string
	// Silent says that nothing in the answer gives it away: it takes a proof to notice.
	Silent bool
	spoil  func(random *rand.Rand, answer any) any
}

// Spoil returns the answer with the trick played on it. Where there is nothing in it to play with, it is as it was.
func (t Trick) Spoil(random *rand.Rand, answer []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return answer
	}
	spoiled := t.spoil(random, v)
	if spoiled == nil {
		return []byte(null)
	}
	if raw, ok := spoiled.(json.RawMessage); ok {
		return raw
	}
	out, err := json.Marshal(spoiled)
	if err != nil {
		return answer
	}
	return out
}

// The methods that tricks are played on.
const (
	blockMethod    = "eth_getBlockByNumber"
	receiptsMethod = "eth_getBlockReceipts"
	logsMethod     = "eth_getLogs"
)

// Tricks are all that there are.
func Tricks() []Trick {
	return slices.Concat(answerTricks(), blockTricks(), receiptsTricks(), logsTricks())
}

// answerTricks are about what is no answer at all.
func answerTricks() (all []Trick) {
	for _, method := range []string{blockMethod, receiptsMethod, logsMethod} {
		for name, text := range map[string]string{
			"a web page": `"<html>502 Bad Gateway</html>"`, "half of it": `[{"blockHash":"0x12`, "another shape": `{"error":{"blockHash":5}}`, "a number": `17`,
		} {
			if method == logsMethod || name != "half of it" {
				all = append(all, Trick{Name: name, Method: method, spoil: func(*rand.Rand, any) any { return json.RawMessage(text) }})
			}
		}
	}
	return all
}

func blockTricks() []Trick {
	trick := func(name string, spoil func(random *rand.Rand, b map[string]any)) Trick {
		return Trick{Name: name, Method: blockMethod, spoil: func(random *rand.Rand, answer any) any {
			if b, ok := answer.(map[string]any); ok {
				spoil(random, b)
			}
			return answer
		}}
	}
	return []Trick{
		{Name: "null", Method: blockMethod, spoil: func(*rand.Rand, any) any { return nil }},
		trick("another number", func(_ *rand.Rand, b map[string]any) { b["number"] = "0x7fffffff" }),
		trick("a flipped field", func(random *rand.Rand, b map[string]any) {
			flip(b, []string{"stateRoot", "receiptsRoot", "miner", "extraData", "logsBloom", "parentHash", "hash"}[random.IntN(7)])
		}),
		trick("a wrong time", func(_ *rand.Rand, b map[string]any) { b["timestamp"] = "0x1" }),
		trick("without its hash", func(_ *rand.Rand, b map[string]any) { delete(b, "hash") }),
		trick("without its bloom", func(_ *rand.Rand, b map[string]any) { delete(b, "logsBloom") }),
		trick("without a root", func(_ *rand.Rand, b map[string]any) { delete(b, "stateRoot") }),
		trick("of words", func(_ *rand.Rand, b map[string]any) { b["gasUsed"] = "lots" }),
	}
}

// lists is a trick on a list of objects that has more than so many.
func lists(name, method string, least int, spoil func(random *rand.Rand, list []any) any) Trick {
	return Trick{Name: name, Method: method, spoil: func(random *rand.Rand, answer any) any {
		list, ok := answer.([]any)
		if !ok || len(list) < least {
			return answer
		}
		return spoil(random, list)
	}}
}

// each is a trick on one object of a list.
func each(name, method string, spoil func(one map[string]any)) Trick {
	return lists(name, method, 1, func(random *rand.Rand, list []any) any {
		if one, ok := list[random.IntN(len(list))].(map[string]any); ok {
			spoil(one)
		}
		return list
	})
}

func receiptsTricks() []Trick {
	return []Trick{
		{Name: "null", Method: receiptsMethod, spoil: func(*rand.Rand, any) any { return nil }},
		lists("one left out", receiptsMethod, 1, func(_ *rand.Rand, list []any) any { return list[1:] }),
		lists("one twice", receiptsMethod, 2, func(_ *rand.Rand, list []any) any {
			list[1] = list[0]
			return list
		}),
		lists("the wrong way round", receiptsMethod, 2, func(_ *rand.Rand, list []any) any {
			slices.Reverse(list)
			return list
		}),
		each("of another block", receiptsMethod, func(r map[string]any) { flip(r, "blockHash") }),
		each("of another transaction", receiptsMethod, func(r map[string]any) { flip(r, "transactionHash") }),
		each("another status", receiptsMethod, func(r map[string]any) {
			r["status"] = map[any]string{"0x1": "0x0", "0x0": "0x1"}[r["status"]]
		}),
		each("another gas", receiptsMethod, func(r map[string]any) { r["cumulativeGasUsed"] = "0x5" }),
		each("another bloom", receiptsMethod, func(r map[string]any) { flip(r, "logsBloom") }),
		each("without its bloom and status", receiptsMethod, func(r map[string]any) {
			delete(r, "logsBloom")
			delete(r, "status")
		}),
		each("without logs", receiptsMethod, func(r map[string]any) {
			if logs, ok := r["logs"].([]any); ok && len(logs) > 0 {
				r["logs"] = []any{}
			}
		}),
		each("with other data in a log", receiptsMethod, func(r map[string]any) {
			if logs, ok := r["logs"].([]any); ok && len(logs) > 0 {
				flip(logs[0].(map[string]any), "data")
			}
		}),
	}
}

func logsTricks() []Trick {
	silent := func(t Trick) Trick {
		t.Silent = true
		return t
	}
	return []Trick{
		lists("one twice", logsMethod, 1, func(random *rand.Rand, list []any) any {
			return append(list, list[random.IntN(len(list))])
		}),
		lists("the wrong way round", logsMethod, 2, func(_ *rand.Rand, list []any) any {
			slices.Reverse(list)
			return list
		}),
		silent(lists("one left out", logsMethod, 1, func(random *rand.Rand, list []any) any {
			at := random.IntN(len(list))
			return slices.Delete(list, at, at+1)
		})),
		silent(lists("none", logsMethod, 1, func(*rand.Rand, []any) any { return []any{} })),
		silent(Trick{Name: "null", Method: logsMethod, spoil: func(*rand.Rand, any) any { return nil }}),
		each("of another block", logsMethod, func(l map[string]any) { flip(l, "blockHash") }),
		each("of a block that was not asked for", logsMethod, func(l map[string]any) { l["blockNumber"] = "0x7fffffff" }),
		each("of another contract", logsMethod, func(l map[string]any) { flip(l, "address") }),
		each("with another topic", logsMethod, func(l map[string]any) {
			if topics, ok := l["topics"].([]any); ok && len(topics) > 0 {
				topics[len(topics)-1] = flipped(topics[len(topics)-1].(string))
			}
		}),
		each("of another transaction", logsMethod, func(l map[string]any) { flip(l, "transactionHash") }),
		each("of another time", logsMethod, func(l map[string]any) { l["blockTimestamp"] = "0x5" }),
		each("removed", logsMethod, func(l map[string]any) { l["removed"] = true }),
		each("without an index", logsMethod, func(l map[string]any) { delete(l, "logIndex") }),
		silent(each("with other data", logsMethod, func(l map[string]any) { flip(l, "data") })),
	}
}

// flip changes the last digit of a field.
func flip(o map[string]any, field string) {
	if text, ok := o[field].(string); ok && len(text) > 2 {
		o[field] = flipped(text)
	}
}

func flipped(text string) string {
	last := byte('1')
	if text[len(text)-1] == last {
		last = '2'
	}
	return text[:len(text)-1] + string(last)
}
