package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/lz4"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/penstock-io/penstock/sdk/gather"
)

// settings are what a pipeline file says of a loader.
type settings struct {
	Path     string            `hcl:"path,writes" doc:"the directory for the files; it is made if it is not there, the one above it is not"`
	Datasets map[string]string `hcl:"datasets,optional" doc:"what rows are called in names of files, by the step that they come from; the name of the step otherwise"`

	Every       uint64      `hcl:"every,optional" doc:"how many blocks a file is for, beginning at a multiple of it; 0: files end by rows and size alone"`
	Rows        int64       `hcl:"rows,optional" doc:"a file ends after the block with which it has so many rows; 0: any number"`
	Size        gather.Size `hcl:"size,optional" doc:"a file ends after the block with which it is so large, such as \"512MiB\""`
	Seal        string      `hcl:"seal,optional" doc:"when a file is made whose blocks are complete: \"final\", when the chain cannot take them back, or \"checkpoint\", at once"`
	BlockColumn string      `hcl:"block_column,optional" doc:"the column that says which block a row belongs to; rows without it go to numbered files"`

	Compression string   `hcl:"compression,optional" doc:"zstd, lz4, snappy or none"`
	Level       int      `hcl:"level,optional" doc:"of zstd: from 1, fast, to 4, small"`
	RowGroup    int64    `hcl:"row_group,optional" doc:"the most rows of a row group"`
	Statistics  bool     `hcl:"statistics,optional" doc:"keep the least and the greatest value of each page, by which readers pass over most of a file"`
	Bloom       []string `hcl:"bloom,optional" doc:"columns with a filter that tells whether a row group may hold a value, such as address"`
	SortedBy    []string `hcl:"sorted_by,optional" doc:"columns of whole numbers by which rows come in order, after the block: it is checked, and noted in the files"`

	Views bool `hcl:"views,optional" doc:"keep a file of SQL beside the files, _NETWORK__DATASET.sql, with which DuckDB reads them as a table"`

	shape
}

// shape are the settings that say which columns a file has.
type shape struct {
	Columns []string            `hcl:"columns,optional" doc:"only these columns" json:"columns,omitempty"`
	Exclude []string            `hcl:"exclude,optional" doc:"all but these columns" json:"exclude,omitempty"`
	U256    []string            `hcl:"u256,optional" doc:"how integers of 256 bits are kept, one or several of string, binary, decimal and float64; several make several columns, such as value_string and value_f64" json:"u256"`
	U256Of  map[string][]string `hcl:"u256_of,optional" doc:"the same for single columns" json:"u256_of,omitempty"`
	Bytes   string              `hcl:"bytes,optional" doc:"how addresses, hashes and bytes are kept: binary, or hex for text" json:"bytes"`
	Times   string              `hcl:"times,optional" doc:"the unit of times: ms, us or ns" json:"times"`
}

func defaults() settings {
	return settings{
		Every: 10_000, Seal: sealFinal, BlockColumn: "block_number",
		Compression: "zstd", Level: 1, RowGroup: 1 << 17, Statistics: true, Views: true,
		shape: shape{U256: []string{asString}, Bytes: "binary", Times: "us"},
	}
}

const (
	sealFinal      = "final"
	sealCheckpoint = "checkpoint"
)

// Ways to keep an integer of 256 bits.
const (
	asString  = "string"
	asBinary  = "binary"
	asDecimal = "decimal"
	asFloat   = "float64"
)

// numberedRows is where numbered files end that nothing else ends.
const numberedRows = 1 << 20

// check finds what can be wrong with settings wherever they are used.
func (s *settings) check() error {
	errs := []error{
		oneOf("seal", s.Seal, sealFinal, sealCheckpoint),
		oneOf("compression", s.Compression, "zstd", "lz4", "snappy", "none"),
		oneOf("bytes", s.Bytes, "binary", "hex"),
		oneOf("times", s.Times, "ms", "us", "ns"),
		representations("u256", s.U256),
	}
	for column, kept := range s.U256Of {
		errs = append(errs, representations("u256_of: "+column, kept))
	}
	if s.Path == "" {
		errs = append(errs, errors.New(`path is empty: write the name of a directory, such as "data/logs"`))
	}
	if s.Level < 1 || s.Level > 4 {
		errs = append(errs, fmt.Errorf("level is %d: write a number from 1, fast, to 4, small", s.Level))
	}
	if s.Rows < 0 {
		errs = append(errs, fmt.Errorf("rows is %d: write how many rows a file may have, or 0 for any number", s.Rows))
	}
	if s.RowGroup < 100 || s.RowGroup > 1<<24 {
		errs = append(errs, fmt.Errorf("row_group is %d: write a number of rows from 100 to %d", s.RowGroup, 1<<24))
	}
	if len(s.Columns) > 0 && len(s.Exclude) > 0 {
		errs = append(errs, errors.New("columns and exclude are both set: write one of the two"))
	}
	for step, name := range s.Datasets {
		if plainName(name) != name || name == "" {
			errs = append(errs, fmt.Errorf("datasets: %q is called %q: write letters, digits, _, . and -", step, name))
		}
	}
	return errors.Join(errs...)
}

func oneOf(setting, value string, known ...string) error {
	if slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("%s is %q: write %s", setting, value, strings.Join(known, ", "))
}

func representations(setting string, kept []string) error {
	if len(kept) == 0 {
		return fmt.Errorf("%s is empty: write one or several of string, binary, decimal and float64", setting)
	}
	for i, k := range kept {
		if err := oneOf(setting, k, asString, asBinary, asDecimal, asFloat); err != nil {
			return err
		}
		if slices.Contains(kept[:i], k) {
			return fmt.Errorf("%s names %s twice", setting, k)
		}
	}
	return nil
}

// codec compresses pages.
func (s *settings) codec() compress.Codec {
	switch s.Compression {
	case "zstd":
		return &zstd.Codec{Level: zstd.Level(s.Level)}
	case "lz4":
		return &lz4.Codec{Level: lz4.Fastest}
	case "snappy":
		return &snappy.Codec{}
	}
	return &parquet.Uncompressed
}

// filters tells whether a column has a bloom filter. One that is kept in several
// ways has one for each.
func (s *settings) filters(column string) bool {
	return slices.ContainsFunc(s.Bloom, func(name string) bool {
		rest, ok := strings.CutPrefix(column, name)
		return ok && (rest == "" || slices.Contains([]string{"_string", "_binary", "_d128", "_f64"}, rest))
	})
}

// dataset is what the rows of a step are called in names of files.
func (s *settings) dataset(step string) string {
	if name, ok := s.Datasets[step]; ok {
		return name
	}
	return cmp.Or(plainName(step), "rows")
}

// plainName is a name as part of a file's: swaps["a/b"] is swaps-a-b.
func plainName(name string) string {
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.-", r)
	}), "-")
	return strings.TrimLeft(name, ".")
}

// directory is the absolute path of the directory.
func (s *settings) directory() (string, error) {
	dir, err := filepath.Abs(s.Path)
	if err != nil {
		return "", stopf("find %s: %w", s.Path, err)
	}
	return dir, nil
}
