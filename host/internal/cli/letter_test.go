package cli

import (
	"testing"

	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/transit"
)

type everyKind struct {
	Name    string
	Block   uint64
	Large   int64
	Sure    bool
	Data    []byte
	Parts   []uint64
	Maybe   *uint64
	Portion float64
}

func (everyKind) TransitType() string { return "test.every_kind" }

// A row is told as people know it, and as JSON without a digit lost.
func TestRowOfALetter(t *testing.T) {
	typ, err := transit.TypeOf[everyKind]()
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := transit.NewEncoder[everyKind]()
	if err != nil {
		t.Fatal(err)
	}
	body, err := encoder.Append(nil, []everyKind{{Name: "a \"b\"\x1b[1m", Block: 18446744073709551615, Large: -9007199254740993, Sure: true, Data: []byte{1, 255}, Parts: []uint64{3, 4}, Portion: 0.5}})
	if err != nil {
		t.Fatal(err)
	}
	letter := store.DeadLetter{ID: "x", TypeName: typ.Name, Schema: typ.MarshalSchema(), Body: body}
	d, err := wholeDocument(letter)
	want := `{"name":"a \"b\"\u001b[1m","block":18446744073709551615,"large":-9007199254740993,"sure":true,"data":"0x01ff","parts":[3,4],"maybe":null,"portion":"0.5"}`
	if err != nil || string(d.Value) != want {
		t.Errorf("got %s, %v\nwant %s", d.Value, err, want)
	}
	_, batch, err := rowOf(letter)
	if err != nil {
		t.Fatal(err)
	}
	wantText := `    name     a "b"�[1m
    block    18446744073709551615
    large    -9007199254740993
    sure     true
    data     0x01ff
    parts    [3,4]
    maybe    null
    portion  0.5
`
	if got := rowText(typ, batch); got != wantText {
		t.Errorf("got\n%s\nwant\n%s", got, wantText)
	}
	letter.Body = letter.Body[:10]
	if d, err := wholeDocument(letter); err == nil || d.ID != "x" {
		t.Errorf("got %+v, %v, want what is known and an error", d, err)
	}
}
