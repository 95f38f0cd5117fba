package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What the fields of the model mean. A struct below another has its own line. A
// field that is not here is taken for one that needs new processes; a test holds
// that there is none.
var effects = map[string]Effect{
	"Host.DataDir": Host, "Host.PluginDir": Host, "Host.TrustedKeys": Host,
	"Host.HardTerminateAfter": Live, "Host.StartTimeout": Live,
	"Host.Restart.Max": Live, "Host.Restart.Within": Live,

	"Network.ChainID": Restart, "Network.Layer": Restart, "Network.Finality": Restart,
	"Network.RPC.Timeout": Live, "Network.RPC.Retries": Live, "Network.RPC.Hedge": Live, "Network.RPC.Cache": Live,
	"Network.RPC.Breaker.Failures": Live, "Network.RPC.Breaker.Rest": Live,
	"Endpoint.URL": Live, "Endpoint.Rate": Live, "Endpoint.Role": Live, "Endpoint.Cost": Live, "Endpoint.Weights": Live,
	"Endpoint.Headers": Live, "Endpoint.Batch": Live,

	"Pipeline.From": Restart, "Pipeline.To": Restart,
	"Pipeline.Epoch.Size": Restart, "Pipeline.Epoch.Offset": Restart,
	"Pipeline.Recovery.HangAfter": Live, "Pipeline.Recovery.WaitAtMost": Live,
	"Pipeline.Recovery.Checkpoint.Every": Live, "Pipeline.Recovery.Checkpoint.Timeout": Live, "Pipeline.Recovery.Checkpoint.MaxState": Live,
	"Pipeline.Recovery.Poison.Attempts": Live, "Pipeline.Recovery.Poison.MaxShare": Live,

	"Step.Register": Restart, "Step.Kind": Restart, "Step.After": Restart,
	"Policy.On": Restart, "Policy.Bucket": Restart, "Policy.Require": Restart, "Policy.Max": Restart, "Policy.Timeout": Restart,

	"Plugin.Path": Swap, "Plugin.Env": Swap, "Plugin.Dev": Live,
	"Plugin.MutualTLS": Swap, "Plugin.Network": Swap, "Plugin.Sandbox.Off": Swap, "Plugin.Sandbox.Read": Swap, "Plugin.Sandbox.Write": Swap,
	"Plugin.Limits.Memory": Swap, "Plugin.Limits.OpenFiles": Swap, "Plugin.Limits.Processes": Swap, "Plugin.Limits.CPU": Swap,
}

// written are the names of fields that stand in a file under another one.
var written = map[string]string{"Plugin.MutualTLS": "mtls", "Plugin.Sandbox.Off": "enabled"}

// elsewhere are the fields that make no attribute here: they are names, places
// in a file, or taken apart where they are met.
var elsewhere = []string{
	"Network.Name", "Network.Endpoints", "Network.Range", "Endpoint.Name",
	"Pipeline.Name", "Pipeline.Key", "Pipeline.Network", "Pipeline.FromLatest", "Pipeline.Begin", "Pipeline.End", "Pipeline.PathType", "Pipeline.Steps", "Pipeline.Range",
	"Step.Name", "Step.Key", "Step.Inputs", "Step.Policy", "Step.Settings", "Step.Secrets", "Step.Places", "Step.Range", "Step.Implied", "Step.Broken",
	"Policy.Kind", "Policy.Range",
	"Plugin.Name", "Plugin.Range",
}

// unnamed are structs whose name does not stand in a file: their fields stand
// in the block around.
var unnamed = []string{"Pipeline.Recovery"}

// sizes are the fields that a file writes as 512MiB.
var sizes = []string{"Pipeline.Recovery.Checkpoint.MaxState", "Plugin.Limits.Memory", "Network.RPC.Cache"}

// fields makes attributes of what a struct of the model holds, in the order of
// its fields. What is zero was not set.
func fields(prefix, of string, value any) []attribute {
	return fieldsOf(prefix, of, reflect.ValueOf(value))
}

func fieldsOf(prefix, of string, v reflect.Value) []attribute {
	var out []attribute
	for field, value := range v.Fields() {
		path := of + "." + field.Name
		if slices.Contains(elsewhere, path) || value.IsZero() && path != "Pipeline.From" {
			continue
		}
		name := prefix + cmp.Or(written[path], snake(field.Name))
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		switch {
		case value.Kind() == reflect.Struct && slices.Contains(unnamed, path):
			out = append(out, fieldsOf(prefix, path, value)...)
		case value.Kind() == reflect.Struct:
			out = append(out, fieldsOf(name+".", path, value)...)
		case path == "Plugin.Sandbox.Off":
			out = append(out, attribute{name: name, raw: "false", shown: "false", effect: effectOf(path)})
		case path == "Plugin.Env", path == "Endpoint.Headers":
			out = append(out, secrets(name+".", value.Interface().(map[string]string), effectOf(path))...)
		default:
			raw := shown(path, value)
			out = append(out, attribute{name: name, raw: raw, shown: raw, effect: effectOf(path)})
		}
	}
	return out
}

func effectOf(path string) Effect {
	effect, known := effects[path]
	switch {
	case known:
		return effect
	case strings.HasPrefix(path, "Plugin."):
		return Swap
	}
	return Restart
}

// secrets hides all values of an environment, or of headers: most of them are
// there because they are secret.
func secrets(prefix string, values map[string]string, effect Effect) []attribute {
	var out []attribute
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, attribute{name: prefix + name, raw: "=" + values[name], shown: hidden, effect: effect})
	}
	return out
}

// shown writes a value as a file has it.
func shown(path string, value reflect.Value) string {
	if value.Type() == reflect.TypeFor[time.Duration]() {
		return strconv.Quote(duration(time.Duration(value.Int())))
	}
	if slices.Contains(sizes, path) {
		return strconv.Quote(size(value.Uint()))
	}
	if stringer, ok := reflect.TypeAssert[fmt.Stringer](value); ok {
		return stringer.String()
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value.Interface()); err != nil {
		return fmt.Sprint(value.Interface()) // unreachable: the model is made of plain values
	}
	return strings.TrimSpace(out.String())
}

// duration writes 1m instead of 1m0s.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// size writes bytes with the largest unit that leaves a whole number.
func size(n uint64) string {
	unit := min(bits.TrailingZeros64(n)/10, 4)
	return strconv.FormatUint(n>>(10*unit), 10) + []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}

// snake is the name of a field as it stands in a file: max_state of MaxState.
func snake(name string) string {
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// compact is JSON without needless space.
func compact(value json.RawMessage) string {
	var out bytes.Buffer
	if err := json.Compact(&out, value); err != nil {
		return string(value) // unreachable: the configuration wrote it
	}
	return out.String()
}

// masked is the address of a node without what may be a key: whoever has a place
// with a provider has a secret in its path, its query or its user.
func masked(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return strconv.Quote(address) // the path of a socket
	}
	out := u.Scheme + "://" + u.Host
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		out += "/…"
	}
	return strconv.Quote(out)
}
