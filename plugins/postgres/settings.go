package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings are what a step can set.
type settings struct {
	DSN      string        `hcl:"dsn,optional,sensitive" doc:"the database: postgres://user:password@host:5432/database, or host=... dbname=...; a host that begins with / is the directory of a unix socket; empty: the variables PGHOST, PGUSER and so on of the plugin's env"`
	Schema   string        `hcl:"schema,optional" doc:"the schema of all tables; it is made if it is not there"`
	Patience time.Duration `hcl:"patience,optional" doc:"how long a server that is away, full or read-only is tried before the step fails and its host starts it anew"`

	Table  string            `hcl:"table,optional" doc:"the name of the table, where the loader reads one step; a table is named after its step otherwise"`
	Tables map[string]string `hcl:"tables,optional" doc:"names of tables, by the step that the rows come from"`
	Create bool              `hcl:"create,optional" doc:"make tables that are not there; otherwise the step fails, and says what has to be made"`
	Adapt  bool              `hcl:"migrate,optional" doc:"add columns that the rows have and a table lacks; otherwise the step fails, and says what has to be added"`

	Key     []string          `hcl:"key,optional" doc:"the columns that tell rows apart: a row replaces the one with the same key; none: all rows are kept"`
	Fill    int               `hcl:"fillfactor,optional" doc:"how full the pages of new tables are made, in percent, where a key is set: 50 to 90 leaves room in which rows are replaced without touching the indexes; 0: as PostgreSQL has it, which is 100"`
	Bytes   string            `hcl:"bytes,optional" doc:"how addresses, hashes and bytes are kept: bytea, or hex for text with 0x"`
	Lists   string            `hcl:"lists,optional" doc:"how lists of plain values are kept: array or jsonb"`
	Types   map[string]string `hcl:"types,optional" doc:"types of columns, by their names, such as { nonce = \"bigint\", timestamp = \"bigint\" }"`
	BadText string            `hcl:"bad_text,optional" doc:"what becomes of text with zero bytes or that is not UTF-8, which PostgreSQL cannot hold: put_aside its row, or replace them with U+FFFD"`

	Batch      int           `hcl:"batch,optional" doc:"how many rows are gathered before they are sent"`
	BatchBytes size          `hcl:"batch_bytes,optional" doc:"how much is gathered before it is sent"`
	Flush      time.Duration `hcl:"flush,optional" doc:"how long rows are gathered before they are sent"`
	Buffer     size          `hcl:"buffer,optional" doc:"how much is kept since the last commit, to be sent again should the connection break; with more than that, the host reads the rows again"`

	BlockIndex bool        `hcl:"block_index,optional" doc:"give tables with a column block_number an index on it"`
	Indexes    []index     `hcl:"index,block" doc:"another index"`
	Partitions *partitions `hcl:"partitions,block" doc:"keep the table in partitions by ranges of blocks; where timescale is set too, only if the server has no TimescaleDB"`
	Timescale  *timescale  `hcl:"timescale,block" doc:"make the table a hypertable of TimescaleDB"`
}

// index is an index on a table.
type index struct {
	Step    string   `hcl:"step,optional" doc:"the step whose table gets it; needed where several are read"`
	Columns []string `hcl:"columns" doc:"the columns, in order"`
	Method  string   `hcl:"method,optional" doc:"btree, hash, gin, gist or brin; empty: btree"`
	Where   string   `hcl:"where,optional" doc:"only rows of which this SQL is true"`
	Unique  bool     `hcl:"unique,optional" doc:"no two rows may have the same values: rows that break it stop the step"`
}

// partitions are ranges of whole numbers, each a table of its own.
type partitions struct {
	Column string `hcl:"column,optional" doc:"the column of whole numbers; empty: block_number"`
	Size   int64  `hcl:"size" doc:"how many of them a partition has, such as 1000000"`
	Retain int64  `hcl:"retain,optional" doc:"drop partitions whose rows are all so many behind the newest row that no rewind takes back, such as 10000000; 0: keep all"`
	Detach bool   `hcl:"detach,optional" doc:"leave partitions that retain would drop as tables of their own"`
}

func (p *partitions) column() string {
	if p.Column == "" {
		return blockNumber
	}
	return p.Column
}

func defaults() settings {
	return settings{
		Schema: "public", Patience: 2 * time.Minute, Create: true, Adapt: true, Bytes: "bytea", Lists: "array", BadText: "put_aside",
		Batch: 1000, BatchBytes: 1 << 20, Flush: time.Second, Buffer: 64 << 20, BlockIndex: true,
	}
}

// Validate checks what can be known without the database.
func (s *settings) Validate() error {
	errs := []error{s.names(), s.choices(), s.amounts()}
	errs = append(errs, s.address())
	for _, ix := range s.Indexes {
		errs = append(errs, ix.validate())
	}
	if p := s.Partitions; p != nil && p.Size <= 0 {
		errs = append(errs, fmt.Errorf("partitions: size is %d: write how many blocks a partition has, such as 1000000", p.Size))
	}
	if p := s.Partitions; p != nil && (p.Retain < 0 || p.Detach && p.Retain == 0) {
		errs = append(errs, fmt.Errorf("partitions: retain is %d: write how many blocks are kept, such as 10000000; detach says what becomes of older partitions, and needs retain", p.Retain))
	}
	if s.Timescale != nil {
		errs = append(errs, s.Timescale.validate())
	}
	return errors.Join(errs...)
}

// address checks what can be known of the dsn without the files that it may name.
func (s *settings) address() error {
	if isURL := strings.HasPrefix(s.DSN, "postgres://") || strings.HasPrefix(s.DSN, "postgresql://"); isURL {
		if _, err := url.Parse(s.DSN); err == nil {
			return nil
		}
		return errors.New("dsn is no URL that can be read: write postgres://user:password@host:5432/database, with characters such as @, / and # in the password escaped (%40, %2F, %23)")
	}
	if s.DSN != "" && !strings.Contains(s.DSN, "=") {
		return errors.New("dsn is neither a URL nor names with values: write postgres://user:password@host:5432/database, or host=... dbname=... user=you")
	}
	return nil
}

// names checks the names of tables.
func (s *settings) names() error {
	var errs []error
	if s.Table != "" && len(s.Tables) > 0 {
		errs = append(errs, errors.New("table and tables are both set: write tables alone"))
	}
	if s.Table != "" {
		errs = append(errs, checkName("table", s.Table))
	}
	for _, step := range slices.Sorted(maps.Keys(s.Tables)) {
		errs = append(errs, checkName(fmt.Sprintf("the table of step %q", step), s.Tables[step]))
	}
	if s.Schema == "" || len(s.Schema) > longestName || strings.HasPrefix(s.Schema, "pg_") {
		errs = append(errs, fmt.Errorf("schema is %q: write a name of 1 to %d bytes that does not begin with pg_", s.Schema, longestName))
	}
	return errors.Join(errs...)
}

// longestName is how many bytes a name can have: PostgreSQL would cut off the rest without a word.
const longestName = 63

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s has no name: write one", what)
	case len(name) > longestName:
		return fmt.Errorf("%s is named %q, which has %d bytes, and PostgreSQL takes %d: write a shorter one", what, name, len(name), longestName)
	case strings.HasPrefix(name, "penstock_"):
		return fmt.Errorf("%s is named %q, and such names are taken: write another", what, name)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("%s is named %q: a name has no zero byte", what, name)
	}
	return nil
}

// choices checks the settings of which there are some to choose from.
func (s *settings) choices() error {
	var errs []error
	choose := func(name, value string, from ...string) {
		if !slices.Contains(from, value) {
			errs = append(errs, fmt.Errorf("%s is %q: write %s", name, value, strings.Join(from, " or ")))
		}
	}
	choose("bytes", s.Bytes, "bytea", "hex")
	choose("lists", s.Lists, "array", "jsonb")
	choose("bad_text", s.BadText, "put_aside", "replace")
	for i, column := range s.Key {
		if column == "" || slices.Contains(s.Key[:i], column) {
			errs = append(errs, fmt.Errorf("key has the column %q twice, or without a name", column))
		}
	}
	return errors.Join(errs...)
}

func (s *settings) amounts() error {
	var errs []error
	if s.Batch < 1 {
		errs = append(errs, fmt.Errorf("batch is %d: write how many rows are sent at once, such as 1000", s.Batch))
	}
	if s.BatchBytes < 1 || s.Buffer < 1 {
		errs = append(errs, errors.New("batch_bytes and buffer are sizes above zero, such as \"1MiB\" and \"64MiB\""))
	}
	if s.Fill != 0 && (s.Fill < 10 || s.Fill > 100 || len(s.Key) == 0) {
		errs = append(errs, fmt.Errorf("fillfactor is %d: write 10 to 100, and set key with it: only where rows are replaced is room of use", s.Fill))
	}
	if s.Flush < 0 || s.Patience < 0 {
		errs = append(errs, errors.New("flush and patience are not below zero"))
	}
	return errors.Join(errs...)
}

func (ix *index) validate() error {
	if len(ix.Columns) == 0 {
		return errors.New("index: columns is empty: write the names of columns")
	}
	if !slices.Contains([]string{"", "btree", "hash", "gin", "gist", "brin"}, ix.Method) {
		return fmt.Errorf("index: method is %q: write btree, hash, gin, gist or brin", ix.Method)
	}
	return nil
}

// size is a number of bytes, as people write it: "64MiB".
type size int64

var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// UnmarshalText reads a size.
func (s *size) UnmarshalText(text []byte) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<40)/u.bytes {
			break
		}
		*s = size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size: write a number and a unit, such as \"64MiB\" or \"500kB\"", text)
}

// MarshalText writes a size in the largest unit of which it is a whole number.
func (s size) MarshalText() ([]byte, error) { //nolint:unparam // the signature is encoding's
	for _, u := range units {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return fmt.Appendf(nil, "%d%s", int64(s)/u.bytes, u.name), nil
		}
	}
	return []byte("0B"), nil
}
