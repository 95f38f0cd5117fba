package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

// tally is a row whose name alone tells it from others.
type tally struct{ Name string }

func (tally) TransitType() string { return "test.tally" }

func TestEveryRowIsThereOnce(t *testing.T) {
	registers := registers(short)
	for i, name := range []string{"jsonl", "csv"} {
		for rotate, block := range map[string]any{"one file": nil, "files of rows": map[string]any{"rows": 25}, "files of bytes": map[string]any{"size": "1KB"}, "compressed files": map[string]any{"rows": 40}} {
			t.Run(name+" in "+rotate, func(t *testing.T) {
				t.Parallel()
				plugintest.Contract[tally]{
					Register: registers[i],
					Row:      func(n int) (tally, string) { return tally{Name: strconv.Itoa(n)}, strconv.Itoa(n) },
					Store: func(plugintest.TB) plugintest.Store {
						dir, ending := t.TempDir(), ""
						if rotate == "compressed files" {
							ending = ".zst"
						}
						return plugintest.Store{
							Settings: map[string]any{"path": filepath.Join(dir, "{step}.rows"+ending), "rotate": block},
							Rows:     func(input string) []string { return tallies(t, dir, input, name == "csv") },
						}
					},
					Inputs: []string{"a", "b"}, Walks: 2,
				}.Check(t)
			})
		}
	}
}

// tallies are the rows that somebody finds who reads all files of an input.
func tallies(t *testing.T, dir, input string, table bool) (rows []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, input+".*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	for _, name := range files {
		if strings.HasSuffix(name, ".manifest.penstock") {
			continue
		}
		text := textOf(t, name)
		if !table {
			for line := range strings.Lines(text) {
				rows = append(rows, strings.TrimSuffix(strings.TrimPrefix(line, `{"name":"`), "\"}\n"))
			}
			continue
		}
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err == nil && (len(records) == 0 || records[0][0] != "name") {
			err = errors.New("it has no header")
		}
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", name, err))
		}
		for _, record := range records[1:] {
			rows = append(rows, record[0])
		}
	}
	return rows
}
