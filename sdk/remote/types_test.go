package remote_test

import (
	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// ping is the one row type of the test's plugin.
type ping struct{ Number uint64 }

func (ping) TransitType() string { return "test.ping" }

func pingType() transit.Type {
	t, err := transit.TypeOf[ping]()
	if err != nil {
		panic(err)
	}
	return t
}

func rowType() *pluginv1.DataType {
	t := pingType()
	return &pluginv1.DataType{Name: t.Name, Schema: t.MarshalSchema()}
}

// description is how the test's plugin describes itself.
func description() *pluginv1.DescribeResponse {
	return &pluginv1.DescribeResponse{
		Version: "1.2.3", SdkVersion: "0.1.0", Protocol: wire.Protocol, Features: []string{"test"},
		Registers: []*pluginv1.Register{
			{
				Name: "test.echo", Type: pluginv1.ProcessType_PROCESS_TYPE_SUBSCRIBER, Doc: "Echoes.",
				Inputs: []*pluginv1.Port{{Name: "in", Type: rowType()}}, Output: rowType(), Dependencies: []string{"test.source"}, Addressable: true,
				Settings: &pluginv1.Settings{
					Attributes: []*pluginv1.Attribute{{Name: "path", Type: "string", Doc: "Where.", Required: true, Sensitive: true, DefaultJson: `"x"`}},
					Blocks: []*pluginv1.Block{{
						Name: "retry", Doc: "How often.", Many: true, Required: true,
						Settings: &pluginv1.Settings{Attributes: []*pluginv1.Attribute{{Name: "max", Type: "number"}}},
					}},
				},
			},
			{
				Name: "test.sink", Type: pluginv1.ProcessType_PROCESS_TYPE_LOADER,
				Inputs: []*pluginv1.Port{{Any: true}}, ManyInputs: true,
			},
		},
	}
}
