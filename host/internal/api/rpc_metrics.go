package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-io/penstock/host/internal/chain"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

var (
	ofNetwork  = []string{"network"}
	ofEndpoint = append(ofNetwork[:1:1], "endpoint")
	ofWanted   = append(ofNetwork[:1:1], "plugin", "step", "method")

	rpcHead   = figure("rpc_head_block", "Newest block that is known of the network.", ofNetwork...)
	rpcFinal  = figure("rpc_final_block", "Newest block that is known to be final.", ofNetwork...)
	rpcForks  = figure("rpc_forks_total", "Forks that were seen while the head was followed.", ofNetwork...)
	rpcBytes  = figure("rpc_cache_bytes", "Bytes of answers that are kept because they cannot change.", ofNetwork...)
	rpcKept   = figure("rpc_cache_answers", "Answers that are kept because they cannot change.", ofNetwork...)
	rpcPurged = figure("rpc_cache_purged_total", "Answers that were forgotten because of a fork.", ofNetwork...)

	rpcState      = figure("rpc_endpoint_state", "1 for the state that the endpoint is in, 0 for the others.", append(ofEndpoint[:2:2], "state")...)
	rpcHeight     = figure("rpc_endpoint_block", "Newest block that the endpoint has shown.", ofEndpoint...)
	rpcBehind     = figure("rpc_endpoint_lag_blocks", "Blocks that the endpoint is behind the best one.", ofEndpoint...)
	rpcInFlight   = figure("rpc_endpoint_in_flight", "Requests that the endpoint has not answered yet.", ofEndpoint...)
	rpcAttempts   = figure("rpc_attempts_total", "Calls that were made at the endpoint, answered or not.", ofEndpoint...)
	rpcFailures   = figure("rpc_failures_total", "Calls that failed at the endpoint, by what that means.", append(ofEndpoint[:2:2], "kind")...)
	rpcThrottled  = figure("rpc_throttled_total", "Requests that the endpoint refused because there were too many.", ofEndpoint...)
	rpcMismatches = figure("rpc_mismatches_total", "Answers of the endpoint that could not be true.", ofEndpoint...)
	rpcHedges     = figure("rpc_hedges_total", "Calls that were made because another endpoint was slow.", ofEndpoint...)
	rpcReceived   = figure("rpc_received_bytes_total", "Bytes of the endpoint's answers.", ofEndpoint...)
	rpcUnits      = figure("rpc_units_total", "Units of cost that were spent at the endpoint.", ofEndpoint...)
	rpcDuration   = figure("rpc_duration_seconds", "Time until the endpoint has answered a call, or the batch that it was in.", ofEndpoint...)

	rpcWanted = figure("rpc_calls_total", "Calls that a step wanted, by where the answer came from: a node, the cache, or a call that another had made.", append(ofWanted[:4:4], "from")...)
	rpcErrors = figure("rpc_errors_total", "Calls of a step that came back with an error, by what it means.", append(ofWanted[:4:4], "kind")...)
	rpcRetry  = figure("rpc_retries_total", "Calls that were made again for a step.", ofWanted...)
)

// endpointStates are all that an endpoint can be in.
var endpointStates = []string{"serving", "resting", "probing", "wrong chain", "not asked yet"}

// network tells the figures of one network.
func (t teller) network(n chain.NetworkStatus) {
	if n.Head > 0 {
		t.gauge(rpcHead, float64(n.Head), n.Name)
	}
	if n.Final > 0 {
		t.gauge(rpcFinal, float64(n.Final), n.Name)
	}
	t.counter(rpcForks, n.Forks, n.Name)
	t.gauge(rpcBytes, float64(n.Cache.Bytes), n.Name)
	t.gauge(rpcKept, float64(n.Cache.Answers), n.Name)
	t.counter(rpcPurged, n.Cache.Purged, n.Name)
	for _, e := range n.Endpoints {
		t.endpoint(n.Name, e)
	}
	for _, a := range n.Askers {
		for method, w := range a.Methods {
			t.wanted(w, n.Name, a.Plugin, a.Step, method)
		}
	}
}

func (t teller) endpoint(network string, e chain.EndpointReport) {
	labels := []string{network, e.Name}
	for _, state := range endpointStates {
		t.gauge(rpcState, is(e.State == state), append(labels, state)...)
	}
	if e.Height > 0 {
		t.gauge(rpcHeight, float64(e.Height), labels...)
		t.gauge(rpcBehind, float64(e.Behind), labels...)
	}
	t.gauge(rpcInFlight, float64(e.InFlight), labels...)
	t.counter(rpcAttempts, e.Attempts, labels...)
	t.failures(rpcFailures, e.Failed, labels)
	t.counter(rpcThrottled, e.Throttled, labels...)
	t.counter(rpcMismatches, e.Mismatches, labels...)
	t.counter(rpcHedges, e.Hedges, labels...)
	t.counter(rpcReceived, e.Received, labels...)
	t.out <- prometheus.MustNewConstMetric(rpcUnits, prometheus.CounterValue, e.Units, labels...)
	t.out <- prometheus.MustNewConstHistogram(rpcDuration, e.Times.Count, e.Times.Sum.Seconds(), e.Times.Bounds, labels...)
}

func (t teller) wanted(w chain.WantReport, labels ...string) {
	for from, n := range map[string]uint64{"node": w.Calls - w.Kept - w.Joined, "cache": w.Kept, "other": w.Joined} {
		t.counter(rpcWanted, n, append(labels, from)...)
	}
	t.failures(rpcErrors, w.Failed, labels)
	t.counter(rpcRetry, w.Retries(), labels...)
}

// failures tells those kinds that there were.
func (t teller) failures(d *prometheus.Desc, f chain.Failures, labels []string) {
	for kind, n := range f {
		if n > 0 {
			t.counter(d, n, append(labels, chain.KindName(sdk.Kind(kind)))...)
		}
	}
}
