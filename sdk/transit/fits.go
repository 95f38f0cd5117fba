package transit

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/agext/levenshtein"
	"github.com/apache/arrow-go/v18/arrow"
)

// A Misfit says why a type that is offered cannot be read as a type that is wanted.
type Misfit struct {
	Offered, Wanted Type
}

// Fits reports whether rows of the type can be read as rows of the wanted type: the names are equal, and each wanted column is there
// with the same type and kind. More columns do no harm, in structs neither, and a column that is never null fits one that may be.
// The error is a *Misfit.
func (t Type) Fits(want Type) error {
	if t.Name == want.Name && len(misfits(fieldsOfType(t), fieldsOfType(want))) == 0 {
		return nil
	}
	return &Misfit{Offered: t, Wanted: want}
}

// Error shows both types side by side, one line per column, with a mark at those that do not fit:
//
//	eth.log does not fit: 2 columns differ
//	    column        wanted   offered
//	    block_number  uint64   uint64
//	  ! data          binary   binary?  it may be null: make the field a pointer
//	  ! tx_hash       hash     -        missing: did you mean txhash?
func (m *Misfit) Error() string {
	offered, wanted := fieldsOfType(m.Offered), fieldsOfType(m.Wanted)
	reasons := misfits(offered, wanted)
	lines := []string{"    column\twanted\toffered\t"}
	for _, f := range wanted {
		have, ok := fieldNamed(offered, f.Name)
		shown, mark := "-", "   "
		if ok {
			shown = shownType(have)
		}
		reason := reasons[f.Name]
		if reason != "" {
			mark = "  !"
		}
		lines = append(lines, fmt.Sprintf("%s %s\t%s\t%s\t%s", mark, f.Name, shownType(f), shown, reason))
	}
	for _, f := range offered {
		if _, ok := fieldNamed(wanted, f.Name); !ok {
			lines = append(lines, fmt.Sprintf("    %s\t-\t%s\t", f.Name, shownType(f)))
		}
	}
	return m.headline(len(reasons)) + "\n" + align(lines)
}

// align sets the cells of lines, which end with tabs, below each other.
func align(lines []string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	_, _ = io.WriteString(w, strings.Join(lines, "\n")) // a strings.Builder takes everything
	_ = w.Flush()
	lines = strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ") // of an empty last cell
	}
	return strings.Join(lines, "\n")
}

func (m *Misfit) headline(n int) string {
	if m.Offered.Name != m.Wanted.Name {
		return fmt.Sprintf("%s is offered where %s is wanted", m.Offered.Name, m.Wanted.Name)
	}
	if n == 1 {
		return m.Wanted.Name + " does not fit: 1 column differs"
	}
	return fmt.Sprintf("%s does not fit: %d columns differ", m.Wanted.Name, n)
}

// misfits gives for each wanted column that is not there as wanted the reason.
func misfits(offered, wanted []arrow.Field) map[string]string {
	reasons := make(map[string]string)
	for _, f := range wanted {
		have, ok := fieldNamed(offered, f.Name)
		if !ok {
			reasons[f.Name] = "missing" + suggestion(f.Name, offered, wanted)
		} else if reason := misfit(have, f); reason != "" {
			reasons[f.Name] = reason
		}
	}
	return reasons
}

// misfit says why one column cannot be read as another, "" if it can.
func misfit(have, want arrow.Field) string {
	if reason := misfitType(have, want); reason != "" {
		return reason
	}
	if have.Nullable && !want.Nullable {
		return "it may be null: make the field a pointer"
	}
	return ""
}

func misfitType(have, want arrow.Field) string {
	if kindOf(have) != kindOf(want) {
		return "of another kind"
	}
	switch wanted := want.Type.(type) {
	case *arrow.ListType:
		if list, ok := have.Type.(*arrow.ListType); ok {
			return within("element", misfit(list.ElemField(), wanted.ElemField()))
		}
	case *arrow.StructType:
		if structure, ok := have.Type.(*arrow.StructType); ok {
			return misfitStruct(structure.Fields(), wanted.Fields())
		}
	}
	if !arrow.TypeEqual(have.Type, want.Type) {
		return "of another type"
	}
	return ""
}

func misfitStruct(offered, wanted []arrow.Field) string {
	reasons := misfits(offered, wanted)
	for _, f := range wanted {
		if reason := reasons[f.Name]; reason != "" {
			return within(f.Name, reason)
		}
	}
	return ""
}

func within(part, reason string) string {
	if reason == "" {
		return ""
	}
	return part + ": " + reason
}

// suggestion names the offered column that the missing one may have been meant to be.
func suggestion(name string, offered, wanted []arrow.Field) string {
	best, nearest := len(name)/3+1, ""
	for _, f := range offered {
		if _, taken := fieldNamed(wanted, f.Name); taken {
			continue
		}
		if d := levenshtein.Distance(name, f.Name, nil); d < best {
			best, nearest = d, f.Name
		}
	}
	if nearest == "" {
		return ""
	}
	return ": did you mean " + nearest + "?"
}

func shownType(f arrow.Field) string {
	if f.Nullable {
		return typeName(f) + "?"
	}
	return typeName(f)
}

func fieldNamed(fields []arrow.Field, name string) (arrow.Field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return arrow.Field{}, false
}

func fieldsOfType(t Type) []arrow.Field {
	if t.Schema == nil {
		return nil
	}
	return t.Schema.Fields()
}
