package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// State is how far the content of a directory is.
type State struct {
	Counts map[string]int64 // the rows of each table, the bytes of each other file
	Block  uint64           // the newest block_number in any of them; 0: none has one
}

// Look takes the state of a directory. It is made to be taken often while
// somebody else writes, and fails where it cannot see a whole state just then.
func Look(dir string) (State, error) {
	t, err := open(dir)
	if err != nil {
		return State{}, err
	}
	defer t.close()
	state := State{Counts: make(map[string]int64, len(t.sheets))}
	for name, s := range t.sheets {
		var n int64
		var block uint64
		switch s := s.(type) {
		case *table:
			n, block, err = s.look()
		case text:
			n, block, err = s.look()
		}
		if err != nil {
			return State{}, fmt.Errorf("look at %s: %w", name, err)
		}
		state.Counts[name] = n
		state.Block = max(state.Block, block)
	}
	return state, nil
}

const blockNumber = "block_number"

func (t *table) look() (n int64, block uint64, err error) {
	newest := "0"
	if slices.Contains(t.names, blockNumber) {
		newest = "coalesce(max(" + blockNumber + "), 0)"
	}
	err = t.db.db.QueryRow("SELECT count(*), "+newest+" FROM "+quote(t.name)).Scan(&n, &block)
	return n, block, err
}

// longestLine is how much of the end of a file is searched for its last line.
const longestLine = 64 << 10

// look finds the block of the last line, if lines are JSON.
func (t text) look() (n int64, block uint64, err error) {
	f, err := os.Open(t.path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	end := make([]byte, min(info.Size(), longestLine))
	if _, err := f.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return 0, 0, err
	}
	lines := bytes.Split(bytes.TrimRight(end, "\n"), []byte("\n"))
	var row struct {
		Block uint64 `json:"block_number"`
	}
	if json.Unmarshal(lines[len(lines)-1], &row) != nil {
		row.Block = 0 // no JSON, or half a line
	}
	return info.Size(), row.Block, nil
}
