// Package readers reads the loader's files with libraries that the loader does
// without. It is a module of its own, because they bring modules with them that
// nothing else needs.
package readers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// columns are what the columns hold, as Arrow shows it.
var columns = map[string]string{
	"block_number":  "0 | 1 | 2",
	"bool":          "false | true | false",
	"int8":          "0 | -128 | 0",
	"int64":         "0 | -9223372036854775808 | 0",
	"uint8":         "0 | 255 | 0",
	"uint64":        "0 | 18446744073709551615 | 0",
	"float32":       "0 | 0.1 | 0",
	"float64":       "0 | 1e+300 | -Inf",
	"string":        " | é😀 | ",
	"bytes":         " | AP8= | ",
	"fixed":         "AAAA | AQID | AAAA",
	"address":       "AAAAAAAAAAAAAAAAAAAAAAAAAAA= | tOFtAWjlLTXKzSxhhbRCgewoydw= | AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	"amount_string": "0 | 115792089237316195423570985008687907853269984665640564039457584007913129639935 | 12345678901234567890",
	"amount_d128":   "0 | (null) | 12345678901234567890",
	"signed":        "0 | -2037035976334486086268445688409378161051468393665936250636140449354381299763336706183397376 | -5",
	"note":          "(null) |  | (null)",
	"to":            "(null) | tOFtAWjlLTXKzSxhhbRCgewoydw= | (null)",
}

// lengths are how many items lists have.
var lengths = map[string][]int{"hashes": {0, 3, 1}, "payments": {0, 3, 0}}

func TestArrow(t *testing.T) {
	f, err := os.Open("../testdata/everything.parquet")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := file.NewParquetReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := reader.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	if table.NumRows() != 3 {
		t.Errorf("%d rows, want 3", table.NumRows())
	}
	for name, want := range columns {
		var values []string
		for _, a := range chunks(t, table, name) {
			for i := range a.Len() {
				values = append(values, a.ValueStr(i))
			}
		}
		if got := strings.Join(values, " | "); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for name, want := range lengths {
		var got []int
		for _, a := range chunks(t, table, name) {
			list, ok := a.(interface {
				ValueOffsets(i int) (begin, end int64)
			})
			if !ok {
				t.Fatalf("%s is %s", name, a.DataType())
			}
			for i := range a.Len() {
				begin, end := list.ValueOffsets(i)
				got = append(got, int(end-begin))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got lists of %v, want %v", name, got, want)
		}
	}
	var payments strings.Builder
	for _, a := range chunks(t, table, "payments") {
		for i := range a.Len() {
			payments.WriteString(a.ValueStr(i))
		}
	}
	for _, want := range []string{`"index":7`, `"index":18446744073709551615`, `"keys":["XFBO1DLLUROLzwmqXopBDdSh4gTvhL/tG+Ft+6GyIGA="]`} {
		if !strings.Contains(payments.String(), want) {
			t.Errorf("payments: got %s, want %s in it", payments.String(), want)
		}
	}
	if typ := column(t, table, "time").DataType().String(); typ != "timestamp[us, tz=UTC]" {
		t.Errorf("time is %s", typ)
	}
}

func column(t *testing.T, table arrow.Table, name string) *arrow.Chunked {
	t.Helper()
	at := table.Schema().FieldIndices(name)
	if len(at) != 1 {
		t.Fatalf("there is no column %s: %s", name, table.Schema())
	}
	return table.Column(at[0]).Data()
}

func chunks(t *testing.T, table arrow.Table, name string) []arrow.Array {
	t.Helper()
	return column(t, table, name).Chunks()
}
