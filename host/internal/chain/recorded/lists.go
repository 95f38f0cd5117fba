package recorded

import (
	"encoding/json"
	"strconv"
	"strings"
)

// list is the logs of a range of blocks that were asked for with some filter.
type list struct {
	from, to uint64
	logs     json.RawMessage
}

// addLogs remembers the answer to an eth_getLogs: who reads the recording may ask
// for other ranges.
func (a *Answers) addLogs(args []any, logs json.RawMessage) {
	filter, from, to, ok := rangeOf(args)
	if !ok && len(args) == 1 {
		members, _ := args[0].(map[string]any)
		hash, _ := members["blockhash"].(string)
		from, ok = a.canonical(hash)
		to = from
	}
	if ok {
		a.lists[filter] = append(a.lists[filter], list{from: from, to: to, logs: logs})
	}
}

// rangeOf parts the blocks of a filter from what it chooses.
func rangeOf(args []any) (filter string, from, to uint64, ok bool) {
	if len(args) != 1 {
		return "", 0, 0, false
	}
	members, _ := args[0].(map[string]any)
	rest, ends := map[string]any{}, [2]any{}
	for name, value := range members {
		switch strings.ToLower(name) {
		case "fromblock":
			ends[0] = value
		case "toblock":
			ends[1] = value
		case "blockhash":
		default:
			rest[name] = value
		}
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return "", 0, 0, false
	}
	from, known := heightOf(ends[:1])
	to, ok = heightOf(ends[1:])
	return strings.ToLower(string(text)), from, to, ok && known
}

// listed finds the logs of a range in answers that others with the same filter
// had, if all of it is in them.
func (a *Answers) listed(filter string, from, to uint64) ([]json.RawMessage, error) {
	logs := []json.RawMessage{}
	for at := from; at <= to; {
		l, ok := a.furthest(filter, at)
		if !ok {
			return nil, errNotThere
		}
		end := min(l.to, to)
		var err error
		if logs, err = appendBetween(logs, l.logs, at, end); err != nil {
			return nil, err
		}
		at = end + 1
	}
	return logs, nil
}

// furthest is the answer with a block in it that has the most blocks after it.
func (a *Answers) furthest(filter string, at uint64) (best list, ok bool) {
	for _, l := range a.lists[filter] {
		if l.from <= at && at <= l.to && (!ok || l.to > best.to) {
			best, ok = l, true
		}
	}
	return best, ok
}

func appendBetween(logs []json.RawMessage, raw []byte, from, to uint64) ([]json.RawMessage, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	for _, one := range all {
		var l struct{ BlockNumber string }
		if err := json.Unmarshal(one, &l); err != nil {
			return nil, err
		}
		number, err := strconv.ParseUint(l.BlockNumber, 0, 64)
		if err != nil {
			return nil, err
		}
		if from <= number && number <= to {
			logs = append(logs, one)
		}
	}
	return logs, nil
}
