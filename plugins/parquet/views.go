package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// views is the name of the file of SQL with which DuckDB reads the files.
func (s *series) views() string { return "_" + s.name() + ".sql" }

// writeViews keeps the file of SQL up to date with the columns of the newest
// file. It is a help: what is wrong with it costs no row.
func (s *shelf) writeViews(files *series, columns []column) error {
	path := filepath.Join(s.dir, files.views())
	text := []byte(files.sql(s.dir, columns))
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return explain("read", path, err)
	}
	return replace(path, s.path(files.views()+".tmp"), text)
}

// sql makes two views: one of the files as they are, and one with bytes as
// people write them.
func (s *series) sql(dir string, columns []column) string {
	glob := filepath.ToSlash(filepath.Join(dir, s.name()+"__*.parquet"))
	text := fmt.Sprintf("-- duckdb -init %s\n"+
		"CREATE OR REPLACE VIEW %s AS\n  SELECT * FROM read_parquet('%s', union_by_name = true);\n",
		s.views(), identifier(s.Dataset), strings.ReplaceAll(glob, "'", "''"))
	var shown []string
	for _, c := range columns {
		name := identifier(c.Name)
		switch t := strings.TrimSuffix(c.Type, "?"); {
		case isBytes(t):
			shown = append(shown, fmt.Sprintf("'0x' || lower(hex(%s)) AS %s", name, name))
		case strings.HasPrefix(t, "list<") && isBytes(strings.TrimSuffix(strings.TrimPrefix(t, "list<"), ">")):
			shown = append(shown, fmt.Sprintf("['0x' || lower(hex(b)) FOR b IN %s] AS %s", name, name))
		}
	}
	if len(shown) == 0 {
		return text
	}
	return text + fmt.Sprintf("-- The same with bytes as text. It is slower: look for rows in the view above.\n"+
		"CREATE OR REPLACE VIEW %s AS\n  SELECT * REPLACE (\n    %s)\n  FROM %s;\n",
		identifier(s.Dataset+"_hex"), strings.Join(shown, ",\n    "), identifier(s.Dataset))
}

// isBytes tells columns of bytes by how they are described.
func isBytes(described string) bool {
	return described == "BYTE_ARRAY" || strings.HasPrefix(described, "FIXED_LEN_BYTE_ARRAY(")
}

func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
