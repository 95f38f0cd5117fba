package main

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

// quick are settings for tests: what fails does so soon.
func quick() settings {
	s := defaults()
	s.Patience = 5 * time.Second
	return s
}

func TestEveryRowIsThereOnce(t *testing.T) {
	for name, test := range map[string]struct {
		inputs   []string
		settings map[string]any
	}{
		"one table":    {inputs: []string{"rows"}},
		"three tables": {inputs: []string{"a", "b", "c"}},
		"with a key":   {inputs: []string{"rows", "Other \"Rows\""}, settings: map[string]any{"key": []string{"name"}}},
		"in partitions": {
			inputs: []string{"rows"}, settings: map[string]any{"partitions": map[string]any{"size": 20}},
		},
		"small batches": {inputs: []string{"a", "b"}, settings: map[string]any{"batch": 5, "buffer": "2kB"}},
	} {
		t.Run(name, func(t *testing.T) {
			plugintest.Contract[event]{
				Register: register(quick()),
				Row: func(n int) (event, string) {
					return event{BlockNumber: uint64(n / 7), Name: strconv.Itoa(n)}, strconv.Itoa(n)
				},
				Store: func(plugintest.TB) plugintest.Store {
					dsn := newDatabase(t)
					settings := map[string]any{"dsn": dsn}
					maps.Copy(settings, test.settings)
					return plugintest.Store{
						Settings: settings,
						Rows:     func(input string) []string { return numbered(t, dsn, input) },
					}
				},
				Inputs: test.inputs,
				Walks:  4,
			}.Check(t)
		})
	}
}

// numbered are the rows of a table by the number in their name. Their own numbers have to be 1, 2, 3 and so on.
func numbered(t *testing.T, dsn, table string) []string {
	t.Helper()
	full := `public.` + quote(table)
	if query(t, dsn, "SELECT to_regclass("+literal(full)+")") == "NULL" {
		return nil
	}
	var names []string
	for i, line := range strings.Split(query(t, dsn, "SELECT penstock_row, name FROM "+full+" ORDER BY penstock_row"), "\n") {
		if line == "" {
			continue
		}
		number, name, _ := strings.Cut(line, "|")
		if number != strconv.Itoa(i+1) {
			t.Fatalf("table %s: row %d has the number %s", table, i+1, number)
		}
		names = append(names, name)
	}
	return names
}
