package graph

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Basis is what a checkpoint of the process goes with, part by part: a
// checkpoint that was taken with another one does not fit. Values are digests,
// because settings may hold secrets. Where a pipeline ends, how its network is
// reached and how a loader is set do not matter.
func (p *Process) Basis() map[string]string {
	basis := make(map[string]string)
	set := func(part string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // unreachable: settings are valid JSON, the rest is plain
		}
		sum := sha256.Sum256(text)
		basis[part] = hex.EncodeToString(sum[:8])
	}
	set("register", p.Register.Name)
	var inputs []string
	for _, e := range p.Inputs {
		inputs = append(inputs, e.Port+"="+e.From.Step.Name)
	}
	set("inputs", inputs)
	if p.Step.After != "" {
		set("after", p.Step.After)
	}
	if p.Register.Type == registry.Loader {
		return basis
	}
	set("chain_id", p.Pipeline.Network.ChainID)
	if p.Pipeline.FromLatest {
		set("from", "latest")
	} else {
		set("from", p.Pipeline.From)
	}
	if p.Pipeline.Epoch != nil {
		set("epoch", p.Pipeline.Epoch)
	}
	if policy := p.Step.Policy; policy != nil {
		set("policy", printedPolicy{
			Kind: policy.Kind, On: policy.On, Bucket: policy.Bucket, Require: policy.Require, Max: policy.Max, Timeout: policy.Timeout.Nanoseconds(),
		})
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(p.Step.Settings, &settings); err != nil && len(bytes.TrimSpace(p.Step.Settings)) > 0 {
		panic(fmt.Sprintf("settings of %s: %v", p.Name(), err)) // unreachable: the configuration wrote them
	}
	for name, value := range settings {
		set(settingPart+name, value)
	}
	return basis
}

// settingPart begins the names of parts that are the plugin's own settings.
const settingPart = "setting "

// PartName is the name of a part of a basis as a file has it.
func PartName(part string) string { return strings.TrimPrefix(part, settingPart) }
