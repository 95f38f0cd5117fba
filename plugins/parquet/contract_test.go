package main

import (
	"maps"
	"strconv"
	"testing"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

// tally is a row whose name alone tells it from others.
type tally struct {
	BlockNumber uint64
	Name        string
}

func (tally) TransitType() string { return "test.tally" }

func TestEveryRowIsThereOnce(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"by blocks":                 {"every": 50},
		"by blocks, at checkpoints": {"every": 50, "seal": "checkpoint"},
		"by blocks and rows":        {"every": 200, "rows": 30, "seal": "checkpoint"},
		"by size":                   {"every": 0, "size": "2KB"},
		"numbered":                  {"block_column": "", "rows": 40},
		"numbered, at checkpoints":  {"block_column": "", "rows": 40, "seal": "checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings["row_group"] = 100
			plugintest.Contract[tally]{
				Register: register(short),
				Row: func(n int) (tally, string) {
					return tally{BlockNumber: uint64(n) + 1, Name: strconv.Itoa(n)}, strconv.Itoa(n)
				},
				Store: func(plugintest.TB) plugintest.Store {
					dir := t.TempDir()
					own := map[string]any{"path": dir}
					maps.Copy(own, settings)
					return plugintest.Store{Settings: own, Rows: func(input string) []string { return found(t, dir, input) }}
				},
				Inputs: []string{"a", "b"}, Walks: 2,
			}.Check(t)
		})
	}
}
