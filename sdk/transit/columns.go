package transit

// Column is a column of a type, as people read it.
type Column struct {
	Name     string
	Type     string // its kind if it has one, otherwise its Arrow type in short
	Nullable bool
}

// Columns lists the columns of a type in their order.
func (t Type) Columns() []Column {
	var columns []Column
	for _, f := range fieldsOfType(t) {
		columns = append(columns, Column{Name: f.Name, Type: typeName(f), Nullable: f.Nullable})
	}
	return columns
}
