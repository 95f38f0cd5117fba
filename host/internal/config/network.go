package config

import (
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

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
		single:     []string{"rpc"},
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
	if rpc := child(body, "rpc"); rpc != nil {
		n.RPC = e.rpc(rpc)
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

// rpc reads how the nodes of a network are asked.
func (e *evaluator) rpc(block *hclsyntax.Block) RPC {
	e.labels(block)
	body := block.Body
	e.shape(body, shape{
		what: "an rpc block", at: block.DefRange(),
		attributes: []string{"timeout", "retries", "hedge", "cache"}, single: []string{"breaker"},
	})
	r := RPC{Timeout: e.duration(body, "timeout")}
	if retries, given := e.number(body, "retries"); given {
		r.Retries = &retries
		if at := rangeOf(body, "retries"); retries > mostRetries {
			e.errorf(&at, "Wrong value", "retries is at most %d: a call that is of no use so often is of none at all.", mostRetries)
		}
	}
	if body.Attributes["hedge"] != nil {
		r.Hedge = parsed(e, body, "hedge", `"off", "auto" or the time after which another endpoint is asked too, such as "2s"`, parseHedge)
	}
	if body.Attributes["cache"] != nil {
		bytes := parsed(e, body, "cache", `a size, such as 64MiB, or "0B" for none`, ParseSize)
		r.Cache = &bytes
	}
	if breaker := child(body, "breaker"); breaker != nil {
		r.Breaker = e.breaker(breaker)
	}
	return r
}

const mostRetries = 1000

func parseHedge(text string) (string, error) {
	if text == "off" || text == "auto" {
		return text, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = strconv.ErrRange
	}
	return d.String(), err
}

// HedgeAfter is how long an answer may take before another endpoint is asked for
// it too; 0 is for ever. If auto, the time follows from how long answers take.
func (r RPC) HedgeAfter() (after time.Duration, auto bool) {
	after, err := time.ParseDuration(r.Hedge)
	if err != nil {
		return 0, r.Hedge == "auto"
	}
	return after, false
}

func (e *evaluator) breaker(block *hclsyntax.Block) Breaker {
	e.labels(block)
	e.shape(block.Body, shape{what: "a breaker block", at: block.DefRange(), attributes: []string{"failures", "rest"}})
	failures, given := e.number(block.Body, "failures")
	if at := rangeOf(block.Body, "failures"); given && failures == 0 {
		e.errorf(&at, "Wrong value", "failures is how many calls in a row must fail before an endpoint is left alone for a while, and must be at least 1.")
	}
	return Breaker{Failures: failures, Rest: e.duration(block.Body, "rest")}
}
