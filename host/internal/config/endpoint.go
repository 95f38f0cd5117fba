package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// endpoint reads an endpoint block.
func (e *evaluator) endpoint(block *hclsyntax.Block) Endpoint {
	body := block.Body
	e.shape(body, shape{
		what:       "an endpoint block",
		at:         block.DefRange(),
		attributes: []string{"url", "rate", "role", "cost", "weights", "headers", "batch"},
		required:   []string{"url"},
	})
	out := Endpoint{
		Name:    block.Labels[0],
		URL:     e.address(body),
		Role:    e.oneOf(body, "role", Primary, Primary, Fallback, Archive),
		Cost:    e.price(body),
		Weights: e.weights(body),
		Headers: e.headers(body),
		Batch:   e.batch(body),
	}
	out.Rate = parsed(e, body, "rate", `a number of units per s, m, h or d, such as "25/s", or several that hold at once, such as "100000000/day;2500/s"`,
		func(text string) (string, error) {
			_, err := ParseRate(text)
			return text, err
		})
	e.hidden.endpoint(out.URL)
	if at := rangeOf(body, "headers"); out.Headers != nil && out.URL != "" && !strings.Contains(out.URL, "://") {
		e.errorf(&at, "Wrong value", "Headers are sent to http, https, ws and wss URLs only: take them out.")
	}
	return out
}

// Schemes of endpoints: of nodes on a network, and of directories.
var (
	nodeSchemes      = []string{"http", "https", "ws", "wss"}
	directorySchemes = []string{"era1", "recorded"}
)

// address is the URL of an endpoint, and "" if it is not there or wrong.
func (e *evaluator) address(body *hclsyntax.Body) string {
	text, ok := attribute[string](e, body, "url", cty.String)
	if !ok {
		return ""
	}
	at := rangeOf(body, "url")
	scheme, rest, schemed := strings.Cut(text, "://")
	kind, directory, _ := strings.Cut(text, ":")
	switch {
	case schemed && slices.Contains(nodeSchemes, scheme):
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			return text
		}
	case schemed && (scheme == "ipc" || scheme == "file" || scheme == "unix"):
		e.errorf(&at, "Wrong value", "An IPC socket is named by its path alone: write %q.", rest)
		return ""
	case slices.Contains(directorySchemes, kind) && directory != "" && !schemed:
		return kind + ":" + relativeTo(e.options.BaseDir, directory)
	case schemed && registry.Nearest(scheme, nodeSchemes) != "":
		e.errorf(&at, "Wrong value", "There is no scheme %q. Did you mean %q?", scheme, registry.Nearest(scheme, nodeSchemes))
		return ""
	case text != "" && !schemed && !slices.Contains(nodeSchemes, kind) && !slices.Contains(directorySchemes, kind):
		if host := hostOf(text); host != "" {
			e.hidden.endpoint("http://" + text)
			e.errorf(&at, "Wrong value", "%q is the name of a computer without a scheme: begin with http://%s, or https, ws or wss. The path of a socket begins with / or ./", host, host)
			return ""
		}
		return relativeTo(e.options.BaseDir, text)
	}
	e.errorf(&at, "Wrong value", "url is written as an http, https, ws or wss URL with a host, the path of a socket, or era1: or recorded: and a directory.")
	return ""
}

// hostOf is the host with which a text begins that is a URL without its scheme,
// and "" if the text is the path of a socket: localhost, node:8545,
// node.example/key.
func hostOf(text string) string {
	if strings.HasSuffix(text, ".ipc") || strings.HasSuffix(text, ".sock") || strings.ContainsAny(text[:1], `/.~\`) {
		return ""
	}
	host, _, _ := strings.Cut(text, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:] // what is before it is a secret
	}
	if host != "localhost" && !strings.ContainsAny(host, ".:") {
		return ""
	}
	return host
}

// Rate is how many units of cost an endpoint takes in some time.
type Rate struct {
	Units float64
	Per   time.Duration
}

var (
	rateText = regexp.MustCompile(`^ *([0-9]+(?:\.[0-9]+)?) */ *([a-z]+) *$`)
	rateUnit = map[string]time.Duration{
		"s": time.Second, "second": time.Second, "m": time.Minute, "minute": time.Minute,
		"h": time.Hour, "hour": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour,
	}
)

// ParseRate reads limits that hold at once: 25/s, or
// 100000000/day;20000/minute;2500/second. "" is none.
func ParseRate(text string) ([]Rate, error) {
	if text == "" {
		return nil, nil
	}
	var rates []Rate
	for part := range strings.SplitSeq(text, ";") {
		m := rateText.FindStringSubmatch(part)
		if m == nil || rateUnit[m[2]] == 0 {
			return nil, fmt.Errorf("parse rate %q: want a number per s, m, h or d, such as 25/s", part)
		}
		units, err := strconv.ParseFloat(m[1], 64)
		if err == nil && units == 0 {
			err = strconv.ErrRange
		}
		if err != nil {
			return nil, fmt.Errorf("parse rate %q: %w", part, err)
		}
		rates = append(rates, Rate{Units: units, Per: rateUnit[m[2]]})
	}
	return rates, nil
}

// price is what a unit of cost costs here; 0 if it is not there.
func (e *evaluator) price(body *hclsyntax.Body) float64 {
	cost, given := attribute[float64](e, body, "cost", cty.Number)
	if at := rangeOf(body, "cost"); given && cost <= 0 {
		e.errorf(&at, "Wrong value", "cost is the price of a unit relative to other endpoints, where 1 is usual, and must be greater than 0: write 0.001 for a node of your own.")
		return 0
	}
	return cost
}

var methodName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_]+$`)

// weights are the units that calls cost, by method.
func (e *evaluator) weights(body *hclsyntax.Body) map[string]float64 {
	attr := body.Attributes["weights"]
	if attr == nil {
		return nil
	}
	value, ok := e.value(attr.Expr, cty.Map(cty.Number), "weights")
	if !ok {
		return nil
	}
	value, _ = value.UnmarkDeep()
	weights, err := into[map[string]float64](value)
	at := attr.Expr.Range()
	if err != nil {
		e.errorf(&at, "Wrong value", "weights: %v.", err)
		return nil
	}
	for _, method := range slices.Sorted(maps.Keys(weights)) {
		nearest := registry.Nearest(method, methods)
		switch {
		case weights[method] < 0:
			e.errorf(&at, "Wrong value", "weights: %s costs less than nothing: the weight of a method is the units that one call costs, and 0 if it is free.", method)
		case !methodName.MatchString(method):
			e.errorf(&at, "Wrong value", "weights: %q is no method of JSON-RPC; one is eth_getLogs.%s", method, e.meant(method, methods))
		case nearest != "" && !slices.Contains(methods, method) && strings.EqualFold(nearest, method):
			e.errorf(&at, "Wrong value", "weights: there is no method %q.%s", method, e.meant(method, methods))
		case nearest != "" && !slices.Contains(methods, method):
			e.warnf(&at, "Unknown method", "weights: no node is known to have a method %q.%s", method, e.meant(method, methods))
		}
	}
	return weights
}

// methods are those that are asked for often: a weight of one that reads nearly
// the same is a slip.
var methods = []string{
	"debug_traceBlockByHash", "debug_traceBlockByNumber", "debug_traceTransaction",
	"eth_blockNumber", "eth_call", "eth_chainId", "eth_estimateGas", "eth_feeHistory", "eth_gasPrice", "eth_getBalance",
	"eth_getBlockByHash", "eth_getBlockByNumber", "eth_getBlockReceipts", "eth_getBlockTransactionCountByHash", "eth_getBlockTransactionCountByNumber",
	"eth_getCode", "eth_getLogs", "eth_getProof", "eth_getStorageAt", "eth_getTransactionByHash", "eth_getTransactionCount", "eth_getTransactionReceipt",
	"eth_maxPriorityFeePerGas", "eth_sendRawTransaction", "eth_subscribe", "eth_syncing",
	"net_version", "trace_block", "trace_filter", "trace_replayBlockTransactions", "trace_transaction", "txpool_content", "web3_clientVersion",
}

var (
	headerName  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	headerValue = regexp.MustCompile(`^[\t -~\x{80}-\x{10FFFF}]*$`)
)

// headers are what is sent with every request. All of their values are secrets.
func (e *evaluator) headers(body *hclsyntax.Body) map[string]string {
	attr := body.Attributes["headers"]
	if attr == nil {
		return nil
	}
	value, ok := e.value(attr.Expr, cty.Map(cty.String), "headers")
	if !ok {
		return nil
	}
	value, _ = value.UnmarkDeep()
	e.hidden.strings(value, true)
	headers, err := into[map[string]string](value)
	at := attr.Expr.Range()
	if err != nil {
		e.errorf(&at, "Wrong value", "headers: %v.", err)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		switch {
		case !headerName.MatchString(name):
			e.errorf(&at, "Wrong value", "headers: %q cannot be the name of one: it has only letters, digits and dashes, such as Authorization.", name)
		case !headerValue.MatchString(headers[name]):
			e.errorf(&at, "Wrong value", "headers: the value of %s has a line break or another sign that cannot be sent; trimspace(...) takes a line break off the end.", name)
		}
	}
	return headers
}

// batch is how many calls go into one request at most; 0 if it is not there.
func (e *evaluator) batch(body *hclsyntax.Body) uint64 {
	batch, given := e.number(body, "batch")
	if at := rangeOf(body, "batch"); given && batch == 0 {
		e.errorf(&at, "Wrong value", "batch is how many calls go into one request at most: 1 sends each alone.")
	}
	return batch
}
