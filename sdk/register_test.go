package sdk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// serve makes a service of registers, as Serve does.
func serve(registers ...sdk.Register) (*process.Service, error) {
	var specs []process.Register
	for _, r := range registers {
		specs = append(specs, r.Internal())
	}
	return process.NewService(specs, "1", sdk.Version, hclog.NewNullLogger())
}

type unmappable struct{ Callback func() }

func (unmappable) TransitType() string { return "test.unmappable" }

type fromUnmappable struct{}

func (fromUnmappable) Transform(context.Context, unmappable, func(unmappable) error) error {
	return nil
}

// misnamed has methods that look like optional ones.
type misnamed struct{ forgetful }

func (misnamed) Close()                                                          {}
func (misnamed) Start(context.Context) error                                     { return nil }
func (misnamed) Snapshot() []byte                                                { return nil }
func (misnamed) TransformBatch(context.Context, []value, func(note) error) error { return nil }

type remembering struct{ large }

func (remembering) Snapshot() ([]byte, error) { return nil, nil }

type twoNames struct {
	forgetful
	Left  string `hcl:"same"`
	Right string `hcl:"same"`
}

type pairless struct{}

func (pairless) Aggregate(context.Context, struct{ Left []a }, func(a) error) error { return nil }

type valueTuple struct{}

func (valueTuple) Aggregate(context.Context, struct {
	Left a `input:"left"`
}, func(a) error,
) error {
	return nil
}

type twins struct{}

func (twins) Aggregate(context.Context, struct {
	Left  []a `input:"left"`
	Right []a `input:"left"`
}, func(a) error,
) error {
	return nil
}

type noTuple struct{}

func (noTuple) Aggregate(context.Context, []a, func(a) error) error { return nil }

func TestRegistersThatCannotBeServed(t *testing.T) {
	good := sdk.Subscriber("good", forgetful{})
	tests := []struct {
		name      string
		registers []sdk.Register
		want      []string
	}{
		{"none", nil, []string{"it has no registers"}},
		{"twice", []sdk.Register{good, good}, []string{"register good: it is served twice"}},
		{"without a name", []sdk.Register{sdk.Subscriber("", forgetful{})}, []string{`register "": this is no name`}},
		{"an odd name", []sdk.Register{sdk.Subscriber("a b", forgetful{})}, []string{`register "a b": this is no name`, "such as eth.logs"}},
		{"a capital", []sdk.Register{sdk.Subscriber("a.B", forgetful{})}, []string{`register "a.B": this is no name`, "small letters"}},
		{"a dash", []sdk.Register{sdk.Subscriber("a-b.c", forgetful{})}, []string{`register "a-b.c": this is no name`}},
		{"a digit first", []sdk.Register{sdk.Subscriber("a.1b", forgetful{})}, []string{`register "a.1b": this is no name`}},
		{"a dot too many", []sdk.Register{sdk.Subscriber("a..b", forgetful{})}, []string{`register "a..b": this is no name`}},
		{"an odd dependency", []sdk.Register{sdk.Subscriber("a.b", forgetful{}).Reads("Eth.logs")}, []string{`register a.b, which reads "Eth.logs": this is no name`}},
		{"a nil pointer", []sdk.Register{sdk.Subscriber("nil", (*whales)(nil))}, []string{"register nil: the prototype is nil"}},
		{"nil", []sdk.Register{sdk.Subscriber[value, value]("nil", nil)}, []string{"register nil: the prototype is nil"}},
		{"a type that cannot be mapped", []sdk.Register{sdk.Subscriber("bad", fromUnmappable{})}, []string{"register bad: ", "Callback"}},
		{
			"methods that look like others",
			[]sdk.Register{sdk.Subscriber("misnamed", misnamed{})},
			[]string{
				"method Close of *sdk_test.misnamed is func(), want func() error",
				"method Start of *sdk_test.misnamed is func(context.Context) error, want func(context.Context, sdk.Start) error",
				"method Snapshot of *sdk_test.misnamed is func() []uint8, want func() ([]uint8, error)",
				"method TransformBatch of",
			},
		},
		{"a reader with a snapshot", []sdk.Register{sdk.Reader("r", remembering{})}, []string{"register r: a reader has no Snapshot method"}},
		{"settings of one name", []sdk.Register{sdk.Subscriber("s", &twoNames{})}, []string{`Left and Right both are called "same"`}},
		{"an input without a tag", []sdk.Register{sdk.Aggregator("j", pairless{})}, []string{"Left has no tag `input:\"name\"`"}},
		{"an input that is no slice", []sdk.Register{sdk.Aggregator("j", valueTuple{})}, []string{"Left: it must be exported, and a slice of rows or a pointer to one"}},
		{"inputs of one name", []sdk.Register{sdk.Aggregator("j", twins{})}, []string{`Right are both input "left"`}},
		{"a tuple that is no struct", []sdk.Register{sdk.Aggregator("j", noTuple{})}, []string{"the tuple of an aggregator is a struct, not []sdk_test.a"}},
		{
			"everything at once",
			[]sdk.Register{sdk.Subscriber("one", fromUnmappable{}), good, sdk.Aggregator("two", twins{})},
			[]string{"register one: ", "register two: "},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := serve(test.registers...)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	service, err := serve(
		sdk.Subscriber("whales", &whales{Above: 5}).Doc("Large ones.").Reads("token.transfers").Addressable(),
		sdk.BatchLoader("printer", &printer{}),
		sdk.Aggregator("join", &join{}),
	)
	if err != nil {
		t.Fatal(err)
	}
	d, err := service.Describe(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	whale, loader, joins := d.Registers[0], d.Registers[1], d.Registers[2]
	typ, err := transit.ParseType(whale.Output.Name, whale.Output.Schema)
	if err != nil || typ.String() != "token.transfer{block_number uint64, from string, to string, value uint64, memo binary}" {
		t.Errorf("output %s, %v", typ, err)
	}
	if whale.Doc != "Large ones." || !cmp.Equal(whale.Dependencies, []string{"token.transfers"}) || !whale.Addressable ||
		whale.Type != pluginv1.ProcessType_PROCESS_TYPE_SUBSCRIBER || whale.Inputs[0].Name != "input" {
		t.Errorf("got %v", whale)
	}
	if a := whale.Settings.Attributes; len(a) != 1 || a[0].Name != "above" || a[0].DefaultJson != "5" || a[0].Required {
		t.Errorf("settings %v, want above with the prototype's 5", a)
	}
	if in := loader.Inputs; len(in) != 1 || !in[0].Any || in[0].Type != nil || !loader.ManyInputs || loader.Output != nil {
		t.Errorf("got %v", loader)
	}
	if in := joins.Inputs; len(in) != 2 || in[0].Name != "A" || in[1].Name != "B" || in[1].Type.Name != "test.b" {
		t.Errorf("got %v", joins)
	}
}

func TestUnknownRegister(t *testing.T) {
	service, err := serve(sdk.Subscriber("whales", &whales{}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.Configure(t.Context(), &pluginv1.ConfigureRequest{Register: "whale"})
	if err == nil || !strings.Contains(err.Error(), `no register "whale": did you mean "whales"?`) {
		t.Errorf("got %v", err)
	}
}
