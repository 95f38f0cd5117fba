// Package binary turns columns of Arrow into rows of PostgreSQL's binary COPY,
// without a Go value for every cell in between.
package binary

import (
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk/table"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Options choose between types that fit.
type Options struct {
	Hex     bool              // addresses, hashes and bytes as hexadecimal text
	JSON    bool              // lists as JSON
	Types   map[string]string // types of columns, by their names
	Replace bool              // what text cannot hold is replaced; otherwise its row is refused
}

// Column is a column of a table.
type Column struct {
	table.Column
	SQL string // its type, as format_type of PostgreSQL shows it
}

// Columns chooses the types of the columns of a data type.
func Columns(typ transit.Type, o Options) ([]Column, error) {
	plain, err := table.Columns(typ)
	if err != nil {
		return nil, err
	}
	columns := make([]Column, len(plain))
	for i, c := range plain {
		if len(c.Name) > 63 {
			return nil, fmt.Errorf("column %s of %s has a name of %d bytes, and PostgreSQL takes 63: rename it", c.Name, typ.Name, len(c.Name))
		}
		fits := fitting(c, o)
		columns[i] = Column{Column: c, SQL: fits[0]}
		wanted, ok := o.Types[c.Name]
		if !ok {
			continue
		}
		columns[i].SQL = Canonical(wanted)
		if !slices.Contains(fits, columns[i].SQL) {
			return nil, fmt.Errorf("types: column %s of %s is %s, which cannot be kept as %q: choose one of %s", c.Name, typ.Name, c.Type, wanted, strings.Join(fits, ", "))
		}
	}
	return columns, nil
}

// The names of types as PostgreSQL shows them.
const (
	timestamptz = "timestamp with time zone"
	double      = "double precision"
	numeric20   = "numeric(20,0)"
	numeric78   = "numeric(78,0)"
)

// Canonical is a type as PostgreSQL shows it, for the names that people have
// for it.
func Canonical(name string) string {
	name = strings.Join(strings.Fields(strings.ToLower(name)), " ")
	name = strings.NewReplacer(" (", "(", " , ", ",", ", ", ",", " ,", ",", "( ", "(", " )", ")").Replace(name)
	base, list := strings.CutSuffix(name, "[]")
	if full, ok := map[string]string{
		"bool": "boolean", "int2": "smallint", "int4": "integer", "int": "integer", "int8": "bigint", "float4": "real", "float8": double, "double": double,
		"timestamptz": timestamptz, "decimal": "numeric", "decimal(78)": numeric78, "numeric(78)": numeric78, "numeric(20)": numeric20,
	}[base]; ok {
		base = full
	}
	if list {
		return base + "[]"
	}
	return base
}

// fitting are the types that a column can have, the one that it has by itself first.
func fitting(c table.Column, o Options) []string {
	single := singles(c, o)
	if !c.List {
		return single
	}
	lists := make([]string, 0, len(single)+2)
	for _, s := range single {
		lists = append(lists, s+"[]")
	}
	if o.JSON {
		return append([]string{"jsonb", "text"}, lists...)
	}
	return append(lists, "jsonb", "text")
}

func singles(c table.Column, o Options) []string {
	switch c.Kind {
	case table.Bool:
		return []string{"boolean"}
	case table.Int, table.Uint:
		return integers(c)
	case table.Float:
		if c.Bits <= 32 {
			return []string{"real", double}
		}
		return []string{double}
	case table.Bytes, table.Address, table.Hash:
		if o.Hex {
			return []string{"text", "bytea"}
		}
		return []string{"bytea", "text"}
	case table.Uint256:
		return []string{numeric78, "numeric", "text"}
	case table.Bigint:
		return []string{"numeric", "text"}
	case table.Timestamp:
		return []string{timestamptz, "bigint"}
	case table.JSON:
		return []string{"jsonb", "text"}
	default:
		return []string{"text"}
	}
}

func integers(c table.Column) []string {
	bits := c.Bits
	if c.Kind == table.Uint {
		bits++ // PostgreSQL has no integers without a sign
	}
	all := []string{"smallint", "integer", "bigint", numeric20, "numeric"}
	switch {
	case bits <= 16:
		return all
	case bits <= 32:
		return all[1:]
	case bits <= 64 || IsCount(c.Name):
		return all[2:]
	default:
		return []string{numeric20, "bigint", "numeric"}
	}
}

// IsCount tells names of columns that count or number something in a chain:
// however far it goes, an integer of 63 bits holds that. Of other columns of
// 64 bits nobody knows, such as nonces, which anybody may choose.
func IsCount(name string) bool {
	if slices.Contains([]string{"number", "position", "size", "gas", "chain_id", "count", "epoch", "slot", "block", "index"}, name) {
		return true
	}
	for _, end := range []string{"_number", "_index", "_count", "_gas", "_size", "_bytes", "_length", "_block", "_epoch", "_slot"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasPrefix(name, "gas_") || strings.Contains(name, "_gas_")
}
