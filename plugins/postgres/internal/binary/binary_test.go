package binary_test

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	copying "github.com/penstock-io/penstock/plugins/postgres/internal/binary"
	"github.com/penstock-io/penstock/sdk/transit"
)

type number struct {
	Word  uint256.Int
	Small uint64
	Large *big.Int
}

func (number) TransitType() string { return "test.number" }

// layoutOf is the layout and a batch of rows.
func layoutOf[T transit.Row](t *testing.T, rows ...T) (*copying.Layout, transit.Batch) {
	t.Helper()
	e, err := transit.NewEncoder[T]()
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Append(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := transit.DecodeBatch(e.Type(), body)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := copying.Columns(e.Type(), copying.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return copying.NewLayout(columns, copying.Options{}), batch
}

func TestNumericsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var rows []number
	ten := big.NewInt(10)
	for n := range 78 {
		power := new(big.Int).Exp(ten, big.NewInt(int64(n)), nil)
		for _, v := range []*big.Int{power, new(big.Int).Sub(power, big.NewInt(1))} {
			word, _ := uint256.FromBig(v)
			rows = append(rows, number{Word: *word, Small: v.Uint64(), Large: new(big.Int).Neg(v)})
		}
	}
	for range 2000 {
		v := new(big.Int).Lsh(new(big.Int).SetUint64(random.Uint64()), uint(random.IntN(192)))
		word, _ := uint256.FromBig(v)
		rows = append(rows, number{Word: *word, Small: random.Uint64() >> random.IntN(64), Large: v})
	}
	layout, batch := layoutOf(t, rows...)
	layout.Columns[1].SQL = "numeric(20,0)"
	data, n, refused := layout.Append(nil, batch, 0)
	if n != len(rows) || len(refused) > 0 {
		t.Fatalf("%d rows, %v refused", n, refused)
	}
	at := 0
	reader := &copying.Reader{Row: func(cells [][]byte) error {
		r := rows[at]
		want := []string{r.Word.Dec(), fmt.Sprint(r.Small), r.Large.String()}
		for i, cell := range cells[1:] {
			got, err := copying.DecimalOf(cell)
			if err != nil || got != want[i] {
				t.Fatalf("row %d: got %s (%v), want %s", at, got, err, want[i])
			}
		}
		if number := binary.BigEndian.Uint64(cells[0]); number != uint64(at+1) {
			t.Fatalf("row %d has the number %d", at, number)
		}
		at++
		return nil
	}}
	stream := append(append(copying.Header(), data...), copying.Trailer()...)
	for len(stream) > 0 { // a stream may be cut anywhere
		n := min(1+random.IntN(100), len(stream))
		if _, err := reader.Write(stream[:n]); err != nil {
			t.Fatal(err)
		}
		stream = stream[n:]
	}
	if at != len(rows) {
		t.Errorf("read %d rows, want %d", at, len(rows))
	}
}

// Plugins in other languages may send what Go's encoder does not.
func TestTextThatIsNotUTF8(t *testing.T) {
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.AppendValues([]string{"good", "bad\xff", "zero\x00"}, nil)
	schema := arrow.NewSchema([]arrow.Field{{Name: "name", Type: arrow.BinaryTypes.String}}, nil)
	batch := transit.Batch{Type: transit.Type{Name: "test.text", Schema: schema}, Record: array.NewRecordBatch(schema, []arrow.Array{texts.NewArray()}, 3)}
	for _, replace := range []bool{false, true} {
		options := copying.Options{Replace: replace}
		columns, err := copying.Columns(batch.Type, options)
		if err != nil {
			t.Fatal(err)
		}
		data, rows, refused := copying.NewLayout(columns, options).Append(nil, batch, 0)
		if replace && (rows != 3 || !strings.Contains(string(data), "bad\uFFFD") || !strings.Contains(string(data), "zero\uFFFD")) {
			t.Errorf("replaced: got %d rows of 3: %q", rows, data)
		}
		if replace {
			continue
		}
		var why []string
		for _, r := range refused {
			why = append(why, fmt.Sprint(r.Row, " ", r.Column, " ", strings.Fields(r.Err.Error())[:4]))
		}
		if diff := cmp.Diff([]string{"1 name [text that is not]", "2 name [text with a zero]"}, why); rows != 1 || diff != "" {
			t.Errorf("got %d rows, want 1; refused (-want +got):\n%s", rows, diff)
		}
	}
}

func TestNamesOfTypes(t *testing.T) {
	for name, want := range map[string]string{
		"int8": "bigint", " Numeric( 78 , 0 )": "numeric(78,0)", "TIMESTAMPTZ[]": "timestamp with time zone[]", "double  precision": "double precision", "bytea": "bytea",
	} {
		if got := copying.Canonical(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestTypesThatDoNotFitAreRefused(t *testing.T) {
	typ, err := transit.TypeOf[number]()
	if err != nil {
		t.Fatal(err)
	}
	_, err = copying.Columns(typ, copying.Options{Types: map[string]string{"word": "bigint"}})
	if err == nil || !strings.Contains(err.Error(), "choose one of numeric(78,0), numeric, text") {
		t.Errorf("got %v, want what can be chosen", err)
	}
	long := transit.Type{Name: "test.long", Schema: arrow.NewSchema([]arrow.Field{{Name: strings.Repeat("x", 64), Type: arrow.PrimitiveTypes.Int64}}, nil)}
	if _, err := copying.Columns(long, copying.Options{}); err == nil || !strings.Contains(err.Error(), "64 bytes") {
		t.Errorf("got %v, want that the name is too long", err)
	}
}

// What a server sends is not trusted to be whole.
func FuzzReaderTakesAnything(f *testing.F) {
	f.Add(append(append(copying.Header(), 0, 1, 0, 0, 0, 2, 'a', 'b'), copying.Trailer()...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		reader := &copying.Reader{Row: func(cells [][]byte) error {
			for _, cell := range cells {
				if text, err := copying.DecimalOf(cell); err == nil && text == "" {
					t.Error("a number without digits")
				}
			}
			return nil
		}}
		for _, part := range [][]byte{stream[:len(stream)/2], stream[len(stream)/2:]} {
			if _, err := reader.Write(part); err != nil {
				return
			}
		}
	})
}
