package settings_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/holiman/uint256"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/penstock-io/penstock/sdk/internal/settings"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

type level int

type base struct {
	Verbose bool `hcl:"verbose,optional"`
}

type filter struct {
	Topic common.Hash   `hcl:"topic"`
	Wait  time.Duration `hcl:"wait,optional"`
}

// everything has a field of each sort.
type everything struct {
	Name    string                   `hcl:"name"`
	On      bool                     `hcl:"on,optional"`
	Small   uint8                    `hcl:"small,optional"`
	Signed  level                    `hcl:"signed,optional"`
	Ratio   float64                  `hcl:"ratio,optional"`
	Wait    time.Duration            `hcl:"wait,optional" doc:"How long."`
	Address common.Address           `hcl:"address,optional"`
	Amount  uint256.Int              `hcl:"amount,optional"`
	Big     *big.Int                 `hcl:"big,optional"`
	Maybe   *int                     `hcl:"maybe,optional"`
	List    []common.Address         `hcl:"list,optional"`
	Nested  [][]int                  `hcl:"nested,optional"`
	Waits   map[string]time.Duration `hcl:"waits,optional"`
	Key     string                   `hcl:"key,optional,sensitive"`
	One     filter                   `hcl:"one,block"`
	Some    *filter                  `hcl:"some,block"`
	Many    []filter                 `hcl:"many,block"`
	base
	Own func()
}

func TestSchema(t *testing.T) {
	three := 3
	got, err := settings.Schema(&everything{
		Name: "ignored: it is required", Small: 7, Wait: 90 * time.Second, Key: "secret", Maybe: &three,
		List: []common.Address{{19: 1}}, Waits: map[string]time.Duration{"a": time.Second}, Amount: *uint256.NewInt(12),
		One: filter{Wait: time.Minute}, Some: &filter{Wait: time.Hour}, base: base{Verbose: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	filterOf := func(wait string) *pluginv1.Settings {
		return &pluginv1.Settings{Attributes: []*pluginv1.Attribute{
			{Name: "topic", Type: "string", Required: true},
			{Name: "wait", Type: "string", DefaultJson: wait},
		}}
	}
	want := &pluginv1.Settings{
		Attributes: []*pluginv1.Attribute{
			{Name: "name", Type: "string", Required: true},
			{Name: "on", Type: "bool"},
			{Name: "small", Type: "number", DefaultJson: "7"},
			{Name: "signed", Type: "number"},
			{Name: "ratio", Type: "number"},
			{Name: "wait", Type: "string", DefaultJson: `"1m30s"`, Doc: "How long."},
			{Name: "address", Type: "string"},
			{Name: "amount", Type: "string", DefaultJson: `"12"`},
			{Name: "big", Type: "string"},
			{Name: "maybe", Type: "number", DefaultJson: "3"},
			{Name: "list", Type: "list(string)", DefaultJson: `["0x0000000000000000000000000000000000000001"]`},
			{Name: "nested", Type: "list(list(number))"},
			{Name: "waits", Type: "map(string)", DefaultJson: `{"a":"1s"}`},
			{Name: "key", Type: "string", Sensitive: true},
			{Name: "verbose", Type: "bool", DefaultJson: "true"},
		},
		Blocks: []*pluginv1.Block{
			{Name: "one", Required: true, Settings: filterOf(`"1m0s"`)},
			{Name: "some", Settings: filterOf(`"1h0m0s"`)},
			{Name: "many", Many: true, Settings: filterOf("")},
		},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("Schema (-want +got):\n%s", diff)
	}
}

func TestDecodeSetsEveryType(t *testing.T) {
	into := everything{Small: 7, Wait: time.Second, Ratio: 1, Some: &filter{Wait: time.Hour}}
	mistakes := settings.Decode([]byte(`{
		"name": "n", "on": true, "signed": -3, "ratio": 2.5, "wait": "1m",
		"address": "0x00000000000000000000000000000000000000ff",
		"amount": 115792089237316195423570985008687907853269984665640564039457584007913129639935,
		"big": "-5", "maybe": 9, "list": ["0x0000000000000000000000000000000000000001"], "nested": [[1],[2,3],[]],
		"waits": {"x": "1s"}, "key": "k", "verbose": true,
		"one": {"topic": "0x0000000000000000000000000000000000000000000000000000000000000002"},
		"some": {"topic": "0x0000000000000000000000000000000000000000000000000000000000000003"},
		"many": [{"topic": "0x0000000000000000000000000000000000000000000000000000000000000004", "wait": "2s"}]
	}`), &into)
	if len(mistakes) > 0 {
		t.Fatalf("mistakes: %v", mistakes)
	}
	nine := 9
	want := everything{
		Name: "n", On: true, Small: 7, Signed: -3, Ratio: 2.5, Wait: time.Minute, Address: common.Address{19: 255},
		Amount: *new(uint256.Int).SetAllOne(), Big: big.NewInt(-5), Maybe: &nine, List: []common.Address{{19: 1}},
		Nested: [][]int{{1}, {2, 3}, {}}, Waits: map[string]time.Duration{"x": time.Second}, Key: "k", base: base{true},
		One: filter{Topic: common.Hash{31: 2}}, Some: &filter{Topic: common.Hash{31: 3}, Wait: time.Hour},
		Many: []filter{{Topic: common.Hash{31: 4}, Wait: 2 * time.Second}},
	}
	opts := cmp.Options{
		cmpopts.IgnoreFields(everything{}, "Own"), cmp.AllowUnexported(everything{}, base{}),
		cmp.Comparer(func(x, y *big.Int) bool { return x.Cmp(y) == 0 }),
	}
	if diff := cmp.Diff(want, into, opts); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
}

func TestBlockKeepsThePrototypesDefaultsToItself(t *testing.T) {
	shared := &filter{Wait: time.Hour}
	into := everything{Some: shared}
	settings.Decode([]byte(`{"name": "n", "one": {"topic": "0x01"}, "some": {"wait": "1s"}}`), &into)
	if shared.Wait != time.Hour || into.Some.Wait != time.Second {
		t.Errorf("the prototype's block has %s, the copy's %s; want 1h and 1s", shared.Wait, into.Some.Wait)
	}
}

func TestDecodeTellsAllMistakesAtOnce(t *testing.T) {
	long := `"` + strings.Repeat("é", 100) + `"`
	tests := []struct {
		object string
		want   []string
	}{
		{`[1]`, []string{`want an object, not [1]`}},
		{`{`, []string{`want an object, not {`}},
		{``, []string{"name: is required", "one: is required"}},
		{`{"name": null, "one": null}`, []string{"name: is required", "one: is required"}},
		{
			`{"name": 5, "on": "yes", "small": 256, "signed": 1.5, "ratio": "x", "wait": "soon", "address": "0x1",
			  "amount": -1, "big": true, "maybe": [], "list": "a", "nested": [[1], ["x"]], "waits": {"b": "1s", "a": 5}, "namr": 1, "zzzzzzzz": 1,
			  "one": {"wait": "1s", "topics": "x"}, "some": [], "many": [{}, 7], "own": 1, "private": 1}`,
			[]string{
				"name: want a string: 5 does not fit",
				`on: want true or false: "yes" does not fit`,
				"small: want a whole number from 0 to 255: 256 does not fit",
				"signed: want a whole number of 64 bits: 1.5 does not fit",
				`ratio: want a number: "x" does not fit`,
				`wait: want a duration such as "5s" or "2m30s", not "soon"`,
				`address: "0x1" is no address, which is 0x and 40 hexadecimal digits: hex string of odd length`,
				`amount: "-1" is no whole number of up to 256 bits: strconv.ParseUint: parsing "-1": invalid syntax`,
				"big: want a string, not true",
				"maybe: want a whole number of 64 bits: [] does not fit",
				`list: want a list, not "a"`,
				`nested[1][0]: want a whole number of 64 bits: "x" does not fit`,
				`waits.a: want a duration such as "5s" or "2m30s", not "5"`,
				"one.topic: is required",
				`one.topics: there is no such setting: did you mean "topic"?`,
				"some: want an object, not []",
				"many[0].topic: is required",
				"many[1]: want an object, not 7",
				`namr: there is no such setting: did you mean "name"?`,
				`own: there is no such setting: did you mean "on"?`,
				"private: there is no such setting",
				"zzzzzzzz: there is no such setting",
			},
		},
		{`{"name": ` + long + `, "small": ` + long + `, "one": {"topic": "0x0000000000000000000000000000000000000000000000000000000000000001"}}`, []string{
			`small: want a whole number from 0 to 255: "` + strings.Repeat("é", 29) + `… does not fit`,
		}},
	}
	for _, test := range tests {
		var got []string
		for _, m := range settings.Decode([]byte(test.object), &everything{}) {
			got = append(got, m.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%.40s (-want +got):\n%s", test.object, diff)
		}
	}
}

func TestTypesWithoutSettings(t *testing.T) {
	for _, prototype := range []any{&struct{ Own int }{}, struct{}{}, new(func()), new(int)} {
		got, err := settings.Schema(prototype)
		if err != nil || len(got.Attributes)+len(got.Blocks) > 0 {
			t.Errorf("Schema of %T: got %v, %v", prototype, got, err)
		}
		if mistakes := settings.Decode(nil, prototype); len(mistakes) > 0 {
			t.Errorf("Decode nothing into %T: %v", prototype, mistakes)
		}
		if mistakes := settings.Decode([]byte(`{"a": 1}`), prototype); len(mistakes) != 1 {
			t.Errorf("Decode something into %T: %v, want one mistake", prototype, mistakes)
		}
	}
}

type loop struct {
	Inner []loop `hcl:"inner,block"`
}

func TestStructsThatCannotBeSettings(t *testing.T) {
	type unmarked struct{ X int }
	tests := []struct {
		prototype any
		want      string
	}{
		{&struct {
			x int `hcl:"x"`
		}{}, "x: it has an hcl tag but is not exported"},
		{&struct {
			X int `hcl:"x,requird"`
		}{}, `unknown option "requird" in its hcl tag: there are optional, block, sensitive, reads and writes`},
		{&struct {
			X int `hcl:",optional"`
		}{}, "its hcl tag has no name"},
		{&struct {
			X int `hcl:"a.b"`
		}{}, "its hcl tag has no name that can be written"},
		{&struct {
			X, Y int `hcl:"x"`
		}{}, `X and Y both are called "x"`},
		{&struct {
			X unmarked `hcl:"x"`
		}{}, "tag a struct as a block"},
		{&struct {
			X chan int `hcl:"x"`
		}{}, "a chan int cannot be set from a pipeline file"},
		{&struct {
			X map[int]string `hcl:"x"`
		}{}, "a map's keys must be plain strings, not int"},
		{&struct {
			X int `hcl:"x,block"`
		}{}, "a block is a struct, a pointer to one or a slice of them, not int"},
		{&loop{}, "settings_test.loop contains itself"},
		{&struct {
			X chan int `hcl:"x"`
			Y func()   `hcl:"y"`
		}{}, "Y: a func() cannot be set"},
	}
	for _, test := range tests {
		_, err := settings.Schema(test.prototype)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%T: got %v, want %q", test.prototype, err, test.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name": "n", "nested": [[1]], "waits": {"a": "1s"}, "many": [{"topic": "0x01"}]}`))
	f.Fuzz(func(_ *testing.T, object []byte) {
		settings.Decode(object, &everything{}) // must not panic
	})
}
