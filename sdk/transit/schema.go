package transit

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// MarshalSchema returns the type's schema as an encapsulated Arrow IPC schema message, with which a stream begins. The same schema
// always gives the same bytes. A type without a schema gives nil.
func (t Type) MarshalSchema() []byte {
	if t.Schema == nil {
		return nil
	}
	var b bytes.Buffer
	if err := ipc.NewWriter(&b, ipc.WithSchema(t.Schema)).Close(); err != nil {
		return nil // unreachable: a buffer takes everything, and a plan or ParseType made the schema
	}
	_, end, err := splitMessage(b.Bytes())
	if err != nil {
		return nil // unreachable: the writer begins with a schema message
	}
	return b.Bytes()[:end:end] // what follows marks the end of the stream
}

// ParseType reads the type that MarshalSchema, or the Arrow library of another language, wrote. The schema may come from anywhere:
// what is broken or cannot travel is an error, never a panic.
func ParseType(name string, schema []byte) (Type, error) {
	t, err := parseType(name, schema)
	if err != nil {
		return Type{}, fmt.Errorf("parse schema of %s: %w", name, err)
	}
	return t, nil
}

func parseType(name string, message []byte) (t Type, err error) {
	if err := checkTypeName(name); err != nil {
		return Type{}, err
	}
	if err := checkSchemaMessage(message); err != nil {
		return Type{}, err
	}
	defer func() {
		if r := recover(); r != nil {
			t, err = Type{}, fmt.Errorf("%w: %v", errBroken, r)
		}
	}()
	r, err := ipc.NewReader(bytes.NewReader(message))
	if err != nil {
		return Type{}, err
	}
	defer r.Release()
	t = Type{Name: name, Schema: r.Schema()}
	if _, _, _, err := layoutOf(t.Schema); err != nil {
		return Type{}, err
	}
	return t, nil
}

// Bounds of a schema. A few bytes of metadata can describe more columns than memory holds, as parts may be shared.
const (
	maxDepth  = 32
	maxFields = 1 << 14
	maxText   = 1 << 20 // bytes of names, zones and metadata
)

// Fields of the tables Schema, Field and KeyValue, by their numbers in the format.
const (
	schemaEndianness, schemaFields, schemaMetadata = 0, 1, 2

	fieldName, fieldTypeID, fieldType, fieldDictionary, fieldChildren, fieldMetadata = 0, 2, 3, 4, 5, 6

	pairKey, pairValue = 0, 1

	timestampID, timestampZone = 10, 1
)

// strangers are the types of the format that do not travel, by their numbers there. All above the last are unknown.
func strangers(id byte) string {
	switch id {
	case 0:
		return "a column without type"
	case 14:
		return "a union"
	case 22:
		return "a run-end encoded column"
	case 23, 24:
		return "a view of bytes"
	case 25, 26:
		return "a view of lists"
	}
	if id > 26 {
		return fmt.Sprintf("a column of the unknown type %d", id)
	}
	return ""
}

// checkSchemaMessage walks a schema message before the Arrow library sees it, which trusts what it reads.
func checkSchemaMessage(message []byte) error {
	metadata, body, err := splitMessage(message)
	if err != nil {
		return err
	}
	if body != len(message) {
		return fmt.Errorf("%d bytes follow the schema", len(message)-body)
	}
	v := flatView{buf: metadata}
	root := rootTable(&v)
	schema, err := messageTable(root, headerSchema)
	if err != nil {
		return err
	}
	if size := root.int64(messageBodyLength); size != 0 {
		return fmt.Errorf("a schema announces a body of %d bytes, but has none", size)
	}
	if schema.int16(schemaEndianness) != 0 {
		return errors.New("the schema is big-endian: send little-endian data")
	}
	w := schemaWalk{fields: maxFields, text: maxText}
	if err := w.tables(schema, schemaFields, func(f table) error { return w.field(f, 1) }); err != nil {
		return err
	}
	if err := w.tables(schema, schemaMetadata, w.pair); err != nil {
		return err
	}
	return v.err
}

// schemaWalk counts down what a schema may still have.
type schemaWalk struct {
	fields, text int
}

func (w *schemaWalk) field(f table, depth int) error {
	w.fields--
	if w.fields < 0 || depth > maxDepth {
		return fmt.Errorf("the schema is too large: at most %d columns, nested at most %d deep", maxFields, maxDepth)
	}
	if _, ok := f.table(fieldDictionary); ok {
		return fmt.Errorf("column %s is dictionary-encoded: send plain values", f.text(fieldName))
	}
	if stranger := strangers(f.byte(fieldTypeID)); stranger != "" {
		return fmt.Errorf("column %s: %s does not travel: use plain strings, bytes, lists and structs", f.text(fieldName), stranger)
	}
	if err := w.texts(f); err != nil {
		return err
	}
	if err := w.tables(f, fieldMetadata, w.pair); err != nil {
		return err
	}
	return w.tables(f, fieldChildren, func(child table) error { return w.field(child, depth+1) })
}

// texts counts the texts of a field: its name and, if it is a timestamp, its zone.
func (w *schemaWalk) texts(f table) error {
	if err := w.spend(f, fieldName); err != nil {
		return err
	}
	if dt, ok := f.table(fieldType); ok && f.byte(fieldTypeID) == timestampID {
		return w.spend(dt, timestampZone)
	}
	return f.err
}

func (w *schemaWalk) pair(t table) error {
	if err := w.spend(t, pairKey); err != nil {
		return err
	}
	return w.spend(t, pairValue)
}

// spend counts a text.
func (w *schemaWalk) spend(t table, field int) error {
	w.text -= len(t.text(field)) + 16
	if w.text < 0 {
		return fmt.Errorf("the schema is too large: names and metadata have more than %d bytes", maxText)
	}
	return t.err
}

// tables visits a vector of tables.
func (w *schemaWalk) tables(t table, field int, visit func(table) error) error {
	at, n := t.vector(field, 4)
	for i := range n {
		sub := t.tableAt(t.follow(at + 4*i))
		if t.err != nil {
			return t.err
		}
		if err := visit(sub); err != nil {
			return err
		}
	}
	return t.err
}
