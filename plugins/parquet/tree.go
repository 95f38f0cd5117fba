package main

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go"

	"github.com/penstock-io/penstock/sdk/transit"
)

// tree is a column as it stands in a file, with what is below it.
type tree struct {
	name     string
	child    int // which of the parts above is read
	nullable bool
	element  *tree   // of a list
	fields   []*tree // of a struct
	leaf     *leaf   // values
	rep      int     // repetition level of what is below
}

// kept are all columns of a type as files have them.
type kept struct {
	root   *tree
	leaves []*leaf // in the order of the file
}

// column is a column of a file, as books and messages name it.
type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// keep says which columns the rows of a type become.
func (s *shape) keep(typ transit.Type) (*kept, error) {
	root := &tree{}
	for i, f := range typ.Schema.Fields() {
		if len(s.Columns) > 0 && !slices.Contains(s.Columns, f.Name) || slices.Contains(s.Exclude, f.Name) {
			continue
		}
		fields, err := s.field(f, i, s.ways(f.Name))
		if err != nil {
			return nil, fmt.Errorf("column %s of %s: %w", f.Name, typ.Name, err)
		}
		root.fields = append(root.fields, fields...)
	}
	if len(root.fields) == 0 {
		return nil, fmt.Errorf("no column of %s is left: it has %s; change columns or exclude", typ.Name, typ)
	}
	k := &kept{root: root}
	taken := map[string]bool{}
	for _, f := range root.fields {
		if taken[f.name] {
			return nil, fmt.Errorf("two columns of %s would be called %s: set u256_of for one of them", typ.Name, f.name)
		}
		taken[f.name] = true
		k.gather(f, nil, 0)
	}
	return k, nil
}

// ways are how the integers of 256 bits in a column are kept.
func (s *shape) ways(name string) []string {
	if ways, ok := s.U256Of[name]; ok {
		return ways
	}
	return s.U256
}

// field is what a part becomes: one column, or several of a large integer.
func (s *shape) field(f arrow.Field, child int, ways []string) ([]*tree, error) {
	t := &tree{name: f.Name, child: child, nullable: f.Nullable}
	kind, _ := f.Metadata.GetValue("penstock.kind")
	if kind == "uint256" || kind == "bigint" {
		return large(t, kind, ways), nil
	}
	var err error
	switch dt := f.Type.(type) {
	case *arrow.StructType:
		for i, inner := range dt.Fields() {
			fields, err := s.field(inner, i, ways)
			if err != nil {
				return nil, err
			}
			t.fields = append(t.fields, fields...)
		}
		if len(t.fields) == 0 {
			return nil, fmt.Errorf("%s is a struct without fields: leave it out with exclude", f.Name)
		}
	case arrow.ListLikeType:
		element := dt.ElemField()
		element.Name = "element"
		elements, err := s.field(element, 0, single(element, ways))
		if err != nil {
			return nil, err
		}
		t.element = elements[0]
		t.element.loosen()
	default:
		t.leaf, err = s.plain(kind, f.Type)
	}
	return []*tree{t}, err
}

// loosen lets the items of a list have any length: pyarrow hands no lists of
// bytes of a fixed length to pandas.
func (t *tree) loosen() {
	if t.leaf == nil {
		return
	}
	if typ := t.leaf.node.Type(); typ.Kind() == parquet.FixedLenByteArray && typ.LogicalType() == nil {
		t.leaf.node, t.leaf.bind = parquet.Leaf(parquet.ByteArrayType), bindLoose
	}
}

// single is how the elements of a list are kept: integers in one way, an exact
// one if there is one.
func single(element arrow.Field, ways []string) []string {
	if _, ok := element.Type.(*arrow.StructType); ok {
		return ways
	}
	for _, way := range ways {
		if way == asString || way == asBinary {
			return []string{way}
		}
	}
	return ways[:1]
}

// suffixes of columns, where an integer is kept in several ways.
var suffixes = map[string]string{asString: "_string", asBinary: "_binary", asDecimal: "_d128", asFloat: "_f64"}

// large are the columns of a large integer.
func large(t *tree, kind string, ways []string) []*tree {
	var out []*tree
	exact := slices.Contains(ways, asString) || slices.Contains(ways, asBinary)
	for _, way := range ways {
		own := *t
		if len(ways) > 1 {
			own.name += suffixes[way]
		}
		own.leaf = largeLeaf(kind, way, exact)
		own.nullable = t.nullable || way == asDecimal && exact
		own.leaf.overflows = way == asDecimal && exact
		out = append(out, &own)
	}
	return out
}

// gather finds the leaves below a column, and their levels.
func (k *kept) gather(t *tree, path []*tree, rep int) {
	path = append(slices.Clone(path), t)
	switch {
	case t.element != nil:
		t.rep = rep + 1
		k.gather(t.element, path, rep+1)
	case t.fields != nil:
		for _, f := range t.fields {
			k.gather(f, path, rep)
		}
	default:
		t.leaf.path, t.leaf.index = path, len(k.leaves)
		k.leaves = append(k.leaves, t.leaf)
	}
}

// node is the column in a Parquet schema. dictionary tells for which leaves
// values that repeat are kept once.
func (t *tree) node(dictionary func(*leaf) bool) parquet.Node {
	var n parquet.Node
	switch {
	case t.element != nil:
		n = parquet.List(t.element.node(dictionary))
	case t.fields != nil:
		n = t.group(dictionary)
	default:
		n = parquet.Encoded(t.leaf.node, t.leaf.encoding(dictionary(t.leaf)))
	}
	if t.nullable {
		n = parquet.Optional(n)
	}
	return n
}

// group is a struct whose fields keep their order: that of a plain parquet.Group
// is the alphabet's.
func (t *tree) group(dictionary func(*leaf) bool) parquet.Node {
	g := ordered{Group: parquet.Group{}}
	for _, f := range t.fields {
		g.Group[f.name] = f.node(dictionary)
		g.names = append(g.names, f.name)
	}
	return g
}

type ordered struct {
	parquet.Group
	names []string
}

// Fields are the fields in the order of the struct.
func (g ordered) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(g.names, a.Name()) - slices.Index(g.names, b.Name())
	})
	return fields
}

func (k *kept) schema(dictionary func(*leaf) bool) *parquet.Schema {
	return parquet.NewSchema("penstock", k.root.group(dictionary))
}

// columns describe the columns.
func (k *kept) columns() []column {
	var out []column
	for _, f := range k.root.fields {
		out = append(out, column{Name: f.name, Type: f.describe()})
	}
	return out
}

func (t *tree) describe() string {
	text := ""
	switch {
	case t.element != nil:
		text = "list<" + t.element.describe() + ">"
	case t.fields != nil:
		for i, f := range t.fields {
			if i > 0 {
				text += ", "
			}
			text += f.name + " " + f.describe()
		}
		text = "struct<" + text + ">"
	default:
		text = t.leaf.node.Type().String()
	}
	if t.nullable {
		text += "?"
	}
	return text
}
