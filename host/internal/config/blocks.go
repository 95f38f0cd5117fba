package config

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

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
