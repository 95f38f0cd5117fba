package config

import (
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// network reads a network block.
func (f *File) network(block *hclsyntax.Block) {
	e, body := f.eval, block.Body
	e.shape(body, shape{
		what:       "a network block",
		at:         block.DefRange(),
		attributes: []string{"chain_id", "layer", "finality"},
		blocks:     []string{"endpoint"},
	})
	n := &Network{Name: block.Labels[0], Layer: registry.Layer1, Finality: "finalized", Range: block.DefRange()}
	f.Networks = append(f.Networks, n)
	id, given := e.number(body, "chain_id")
	if at := rangeOf(body, "chain_id"); given && id == 0 {
		e.errorf(&at, "Wrong value", "chain_id must be a positive number: Ethereum's is 1.")
	}
	n.ChainID = id
	if layer, given := e.number(body, "layer"); given {
		n.Layer = registry.Layer(layer)
		if at := rangeOf(body, "layer"); layer != 1 && layer != 2 {
			e.errorf(&at, "Wrong value", "layer is 1 or 2.")
			n.Layer = registry.Layer1
		}
	}
	if body.Attributes["finality"] != nil {
		n.Finality = parsed(e, body, "finality", `"finalized", "safe" or a number of confirmations`, parseFinality)
	}
	seen := make(map[string]hcl.Range)
	for _, nested := range body.Blocks {
		if nested.Type == "endpoint" && e.labels(nested, "name") && !e.duplicate(seen, describe("endpoint", nested.Labels[0]), nested.LabelRanges[0]) {
			n.Endpoints = append(n.Endpoints, e.endpoint(nested))
		}
	}
	if child(body, "endpoint") == nil {
		at := block.DefRange()
		e.warnf(&at, "No endpoint", "Network %q has no endpoint block, so no reader can reach it.", n.Name)
	}
}

func parseFinality(text string) (string, error) {
	if text == "finalized" || text == "safe" {
		return text, nil
	}
	confirmations, err := strconv.ParseUint(text, 10, 32)
	return strconv.FormatUint(confirmations, 10), err
}

func (e *evaluator) endpoint(block *hclsyntax.Block) Endpoint {
	e.shape(block.Body, shape{
		what:       "an endpoint block",
		at:         block.DefRange(),
		attributes: []string{"url", "rate"},
		required:   []string{"url"},
	})
	address := parsed(e, block.Body, "url", "an http, https, ws or wss URL with a host, or the path of a socket", parseURL)
	e.hidden.endpoint(address)
	return Endpoint{
		Name: block.Labels[0],
		URL:  address,
		Rate: parsed(e, block.Body, "rate", `a number of requests per s, m or h, such as "25/s"`, parseRate),
	}
}

func parseURL(text string) (string, error) {
	if text == "" {
		return "", strconv.ErrSyntax
	}
	if !strings.Contains(text, "://") {
		return text, nil // the path of a socket
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	if u.Host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) {
		return "", strconv.ErrSyntax
	}
	return text, nil
}

var rate = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?/[smh]$`)

func parseRate(text string) (string, error) {
	if !rate.MatchString(text) {
		return "", strconv.ErrSyntax
	}
	if n, err := strconv.ParseFloat(text[:len(text)-2], 64); err != nil || n == 0 {
		return "", strconv.ErrRange
	}
	return text, nil
}

// into converts a value to a Go map or slice of strings.
func into[T any](value cty.Value) (T, error) {
	var result T
	want, err := gocty.ImpliedType(result)
	if err != nil {
		return result, err
	}
	converted, err := convert.Convert(value, want)
	if err != nil {
		return result, err
	}
	err = gocty.FromCtyValue(converted, &result)
	return result, err
}

// host reads the host block; only one may be there.
func (f *File) host(blocks []*hclsyntax.Block) {
	if len(blocks) == 0 {
		return
	}
	e, body := f.eval, blocks[0].Body
	for _, block := range blocks[1:] {
		at := block.DefRange()
		e.errorf(&at, "Duplicate block", "There is only one host; its block is at %s.", place(blocks[0].DefRange()))
	}
	e.shape(body, shape{
		what:       "a host block",
		attributes: []string{"data_dir", "plugin_dir", "hard_terminate_after", "start_timeout", "trusted_keys"},
		single:     []string{"restart"},
	})
	f.Host = Host{
		DataDir:            relativeTo(e.options.BaseDir, e.text(body, "data_dir")),
		PluginDir:          relativeTo(e.options.BaseDir, e.text(body, "plugin_dir")),
		TrustedKeys:        e.trustedKeys(body),
		HardTerminateAfter: e.duration(body, "hard_terminate_after"),
		StartTimeout:       e.duration(body, "start_timeout"),
	}
	if restart := child(body, "restart"); restart != nil {
		e.labels(restart)
		e.shape(restart.Body, shape{what: "a restart block", at: restart.DefRange(), attributes: []string{"max", "within"}, required: []string{"max", "within"}})
		f.Host.Restart.Max, _ = e.number(restart.Body, "max")
		f.Host.Restart.Within = e.duration(restart.Body, "within")
	}
}

// duration is the value of a body's attribute that is a positive time.
func (e *evaluator) duration(body *hclsyntax.Body, name string) time.Duration {
	return parsed(e, body, name, `a time, such as "30s" or "5m"`, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err == nil && d <= 0 {
			err = strconv.ErrRange
		}
		return d, err
	})
}

// rangeOf is the place of an attribute's value.
func rangeOf(body *hclsyntax.Body, name string) hcl.Range {
	if attr := body.Attributes[name]; attr != nil {
		return attr.Expr.Range()
	}
	return body.MissingItemRange()
}

var size = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) *([KMGT]i?)?B$`)

// ParseSize reads a number of bytes, such as 512MiB.
func ParseSize(text string) (uint64, error) {
	parts := size.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("parse size %q: want a number and a unit, such as 512MiB", text)
	}
	n, _, err := big.ParseFloat(parts[1], 10, 128, big.ToZero)
	if err != nil {
		return 0, fmt.Errorf("parse size %q: %w", text, err)
	}
	unit := uint64(1)
	if parts[2] != "" {
		base := uint64(1000)
		if strings.HasSuffix(parts[2], "i") {
			base = 1024
		}
		for range strings.IndexByte("KMGT", parts[2][0]) + 1 {
			unit *= base
		}
	}
	bytes, accuracy := n.Mul(n, new(big.Float).SetUint64(unit)).Uint64()
	if bytes == 1<<64-1 && accuracy == big.Below {
		return 0, fmt.Errorf("parse size %q: %w", text, strconv.ErrRange)
	}
	return bytes, nil
}
