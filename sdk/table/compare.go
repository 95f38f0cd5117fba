package table

import (
	"fmt"
	"slices"
	"strings"
)

// Definition is a column that a loader wants.
type Definition struct {
	Name string
	Type string // in SQL, without NOT NULL and the like
}

// Found is a column that a database has.
type Found struct {
	Name string
	Type string // in the database's own words
	// Required says that a row must have a value there: the column is NOT NULL, and has no default.
	Required bool
}

// Conflict is a table that does not fit the rows of a type, such that nobody can mend it but a person. Its text shows both.
type Conflict struct {
	Table string
	Want  []Definition
	Have  []Found

	Changed  []string // columns that have another type, by name
	Required []string // columns that no row has a value for, and each must
}

// Compare tells what is to be done to a table so that rows go into it. Columns are told apart by name, without regard to case; their
// order does not matter. same reports whether two names of types mean the same; nil: they are equal but for case.
//
//   - A column that is wanted and not there is returned, to be added. Rows that are there already have none of it: it has to be
//     nullable, whatever the type says.
//   - One that is there and not wanted stays, and is left NULL or at its default.
//   - One that has another type, or that every row must have a value for and none has, is a *Conflict. Nothing is to be added then.
func Compare(table string, want []Definition, have []Found, same func(want, have string) bool) (add []Definition, err error) {
	if same == nil {
		same = strings.EqualFold
	}
	c := &Conflict{Table: table, Want: want, Have: have}
	for _, w := range want {
		i := slices.IndexFunc(have, func(h Found) bool { return fold(h.Name) == fold(w.Name) })
		switch {
		case i < 0:
			add = append(add, w)
		case !same(w.Type, have[i].Type):
			c.Changed = append(c.Changed, w.Name)
		}
	}
	for _, h := range have {
		wanted := slices.ContainsFunc(want, func(w Definition) bool { return fold(h.Name) == fold(w.Name) })
		if h.Required && !wanted {
			c.Required = append(c.Required, h.Name)
		}
	}
	if len(c.Changed)+len(c.Required) > 0 {
		return nil, c
	}
	return add, nil
}

// Error shows what the table has beside what the rows have.
func (c *Conflict) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s does not fit the rows: %s: change the columns by hand, rename or drop the table, or give the rows another one\n", c.Table, c.summary())
	width := [2]int{len("column"), len("in the table")}
	lines := c.lines()
	for _, l := range lines {
		width[0], width[1] = max(width[0], len(l[0])), max(width[1], len(l[1]))
	}
	fmt.Fprintf(&b, "  %-*s  %-*s  in the rows", width[0], "column", width[1], "in the table")
	for _, l := range lines {
		b.WriteString(strings.TrimRight(fmt.Sprintf("\n  %-*s  %-*s  %s%s", width[0], l[0], width[1], l[1], l[2], l[3]), " "))
	}
	return b.String()
}

func (c *Conflict) summary() string {
	var parts []string
	for _, name := range c.Changed {
		parts = append(parts, fmt.Sprintf("column %s is %s there and %s in the rows", name, c.had(name), c.wanted(name)))
	}
	for _, name := range c.Required {
		parts = append(parts, fmt.Sprintf("column %s must have a value (NOT NULL, no default), and the rows have none", name))
	}
	return strings.Join(parts, "; ")
}

// lines are the columns of both, in the order of the rows first: name, type in the table, type in the rows, remark.
func (c *Conflict) lines() [][4]string {
	var lines [][4]string
	for _, w := range c.Want {
		l := [4]string{w.Name, c.had(w.Name), w.Type}
		if slices.Contains(c.Changed, w.Name) {
			l[3] = "  <- differs"
		}
		lines = append(lines, l)
	}
	for _, h := range c.Have {
		if c.wanted(h.Name) != "-" {
			continue
		}
		l := [4]string{h.Name, h.Type, "-"}
		if slices.Contains(c.Required, h.Name) {
			l[3] = "  <- must have a value"
		}
		lines = append(lines, l)
	}
	return lines
}

// had is the type that a column has in the table, "-" if it has none.
func (c *Conflict) had(name string) string {
	for _, h := range c.Have {
		if fold(h.Name) == fold(name) {
			return h.Type
		}
	}
	return "-"
}

// wanted is the type that a column has in the rows, "-" if it has none.
func (c *Conflict) wanted(name string) string {
	for _, w := range c.Want {
		if fold(w.Name) == fold(name) {
			return w.Type
		}
	}
	return "-"
}

// fold makes names equal that databases take for equal.
func fold(name string) string { return strings.ToLower(name) }
