package recorded

import (
	"encoding/json"
	"strings"
)

// renumber makes what was asked about blocks by their hashes known by their
// numbers too: whether a block is final, and may be asked for by its number, is
// another thing when a recording is read.
func (a *Answers) renumber() {
	a.byNumber = map[string]answer{}
	for key, known := range a.byCall {
		at := strings.IndexByte(key, '[')
		var args []any
		if json.Unmarshal([]byte(key[at:]), &args) != nil {
			continue // unreachable: keys are made of JSON
		}
		if other, ok := a.byItsNumber(key[:at], args); ok {
			a.byNumber[other] = known
		}
		if key[:at] == "eth_getLogs" && known.Error == nil && !isNull(known.Result) {
			a.addLogs(args, known.Result)
		}
	}
}

// byItsNumber is the key of a call with the number of a block in the place of its
// hash; false if it has none of the chain that was recorded.
func (a *Answers) byItsNumber(method string, args []any) (string, bool) {
	found := false
	other := make([]any, len(args))
	for i, arg := range args {
		other[i] = arg
		if number, ok := a.canonical(hashIn(arg)); ok {
			other[i], found = hexOf(number), true
		}
	}
	text, err := json.Marshal(other)
	if err != nil {
		return "", false // unreachable: it was JSON
	}
	switch method {
	case "debug_traceBlockByHash":
		method = "debug_traceBlockByNumber"
	case "debug_traceBlockByNumber":
		found = true
	}
	return method + strings.ToLower(string(text)), found
}

// hashIn is the hash of a block in a parameter: by itself, or as EIP-1898 has it.
func hashIn(arg any) string {
	switch v := arg.(type) {
	case string:
		return v
	case map[string]any:
		hash, _ := v["blockHash"].(string)
		if hash == "" {
			hash, _ = v["blockhash"].(string) // in a key all letters are small
		}
		for name := range v {
			if !strings.EqualFold(name, "blockHash") && !strings.EqualFold(name, "requireCanonical") {
				return ""
			}
		}
		return hash
	}
	return ""
}

// canonical is the number of a block if no other with that number has taken its
// place.
func (a *Answers) canonical(hash string) (uint64, bool) {
	number, ok := a.heights[strings.ToLower(hash)]
	return number, ok && strings.EqualFold(a.blocks[number].hash, hash)
}
