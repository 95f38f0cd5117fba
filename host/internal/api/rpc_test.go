package api_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/chain"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// nodes are those of a host in a test.
type nodes struct {
	networks []chain.NetworkStatus
	asked    []sdk.Request
	answer   sdk.Result
	err      error
}

func (n *nodes) Status() []chain.NetworkStatus { return n.networks }

func (n *nodes) Exchange(_ context.Context, r sdk.Request) ([]sdk.Result, error) {
	n.asked = append(n.asked, r)
	return []sdk.Result{n.answer}, n.err
}

// asking is a host that asks nodes, and a client of it.
func asking(t *testing.T, n *nodes) *world {
	t.Helper()
	w := begin(t)
	w.stop()
	l, err := api.Listen(w.dir, filepath.Join(w.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(api.Config{Engine: w.engine, Events: api.NewEvents(), Nodes: n, DataDir: w.dir, Version: "v9", Logger: hclog.NewNullLogger()})
	ctx, end := context.WithCancel(context.Background())
	w.end, w.done = end, make(chan error, 1)
	go func() { w.done <- server.Serve(ctx, l) }()
	return w
}

func someNetwork() chain.NetworkStatus {
	want := chain.WantReport{Calls: 9, Kept: 2, Joined: 1, Received: 100, Attempts: 8}
	want.Failed[sdk.Reverted] = 1
	endpoint := chain.EndpointReport{
		EndpointStatus: chain.EndpointStatus{
			Name: "primary", URL: "https://node.example", Role: "primary", Cost: 2, State: "resting", Rests: time.Minute, Height: 100, Behind: 3, InFlight: 4,
			Waiting: 5, Parallel: 6, Rate: 7.5, Batch: 8, Exchanges: 9, Calls: 10, Failures: 11, Throttled: 12, Mismatches: 13, Hedges: 14, Bytes: 15,
			SpentToday: 16.5, LastError: "too many requests",
		},
		Limit: "25/s", Attempts: 17, Received: 18, Units: 19.5, Pace: 20.5, Recent: 21, P50: time.Millisecond, P95: time.Second, P99: time.Minute,
	}
	endpoint.Failed[sdk.TimedOut] = 3
	endpoint.Times = chain.Histogram{Bounds: map[float64]uint64{0.1: 5}, Count: 17, Sum: time.Second}
	return chain.NetworkStatus{
		Name: "main", ChainID: 1, Finality: "finalized", Head: 103, Final: 90, Forks: 2, Learned: map[string]uint64{"logs": 2000},
		Endpoints: []chain.EndpointReport{endpoint},
		Methods:   []chain.MethodReport{{Method: "eth_call", Wanted: want, Attempts: 8, Units: 8.5, P50: time.Millisecond, P95: time.Second}},
		Askers:    []chain.AskerReport{{Asker: sdk.Asker{Plugin: "p", Step: "a/b"}, WantReport: want, Methods: map[string]chain.WantReport{"eth_call": want}}},
		Cache:     chain.CacheStatus{Answers: 1, Bytes: 2, Most: 3, Purged: 4},
		Heads:     chain.HeadsStatus{Watchers: 2, Mode: "asking", Every: time.Second, Heard: time.Unix(5, 6).UTC()},
	}
}

// What a host knows of its nodes comes to whoever asks, but for histograms, which
// are for Prometheus.
func TestNetworks(t *testing.T) {
	w := asking(t, &nodes{networks: []chain.NetworkStatus{someNetwork()}})
	got, err := w.client.Networks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []chain.NetworkStatus{someNetwork()}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(chain.EndpointReport{}, "Times"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Networks (-want +got):\n%s", diff)
	}
}

func TestCallNode(t *testing.T) {
	n := &nodes{answer: sdk.Result{Raw: []byte(`"0x5"`), Endpoint: "primary"}}
	w := asking(t, n)
	query := sdk.Query{Method: "eth_call", Params: []byte(`[1]`)}
	got, err := w.client.CallNode(t.Context(), "main", query)
	if err != nil || string(got.Raw) != `"0x5"` || got.Endpoint != "primary" || got.Err != nil {
		t.Errorf("CallNode: got %+v, %v", got, err)
	}
	if r := n.asked[0]; r.Network != "main" || r.Calls[0].Method != "eth_call" || string(r.Calls[0].Params) != `[1]` || r.Plugin != "penstock" {
		t.Errorf("the nodes were asked %+v", r)
	}
	told := &sdk.Error{
		Kind: sdk.Reverted, Endpoint: "primary", What: "eth_call[1]", Tries: 2, Spent: time.Second,
		Err: &sdk.RPCError{Code: 3, Message: "execution reverted", Data: []byte(`"0x08c379a0"`)},
	}
	n.answer = sdk.Result{Err: told}
	got, err = w.client.CallNode(t.Context(), "main", query)
	if diff := cmp.Diff(told, got.Err); err != nil || diff != "" {
		t.Errorf("an error of a node: %v (-want +got):\n%s", err, diff)
	}
	n.answer.Err = &sdk.Error{Kind: sdk.Transient, Err: errors.New("connection refused")}
	if got, err = w.client.CallNode(t.Context(), "main", query); err != nil || got.Err.Err.Error() != "connection refused" {
		t.Errorf("an error of the way: got %v, %v", got.Err, err)
	}
	n.err = &chain.UnknownError{Name: "mian", Known: []string{"main"}}
	if _, err = w.client.CallNode(t.Context(), "mian", query); err == nil || !strings.Contains(err.Error(), "there is main") {
		t.Errorf("a network that is not there: got %v", err)
	}
}

// A host that asks no nodes says so.
func TestHostWithoutNodes(t *testing.T) {
	w := begin(t)
	if _, err := w.client.Networks(t.Context()); err == nil {
		t.Error("a host without nodes told of networks")
	}
}

func TestMetricsOfNodes(t *testing.T) {
	w := asking(t, &nodes{networks: []chain.NetworkStatus{someNetwork()}})
	code, text := w.request("GET", "/metrics", "")
	if code != 200 {
		t.Fatalf("GET /metrics: got %d:\n%s", code, text)
	}
	const endpoint, step = `{endpoint="primary",network="main"}`, `method="eth_call",network="main",plugin="p",step="a/b"}`
	for _, want := range []string{
		`penstock_rpc_head_block{network="main"} 103`, `penstock_rpc_final_block{network="main"} 90`, `penstock_rpc_forks_total{network="main"} 2`,
		`penstock_rpc_cache_bytes{network="main"} 2`, `penstock_rpc_cache_answers{network="main"} 1`, `penstock_rpc_cache_purged_total{network="main"} 4`,
		`penstock_rpc_endpoint_state{endpoint="primary",network="main",state="resting"} 1`,
		`penstock_rpc_endpoint_state{endpoint="primary",network="main",state="serving"} 0`,
		`penstock_rpc_endpoint_block` + endpoint + ` 100`, `penstock_rpc_endpoint_lag_blocks` + endpoint + ` 3`, `penstock_rpc_endpoint_in_flight` + endpoint + ` 4`,
		`penstock_rpc_attempts_total` + endpoint + ` 17`, `penstock_rpc_failures_total{endpoint="primary",kind="timeout",network="main"} 3`,
		`penstock_rpc_throttled_total` + endpoint + ` 12`, `penstock_rpc_mismatches_total` + endpoint + ` 13`, `penstock_rpc_hedges_total` + endpoint + ` 14`,
		`penstock_rpc_received_bytes_total` + endpoint + ` 18`, `penstock_rpc_units_total` + endpoint + ` 19.5`,
		`penstock_rpc_duration_seconds_bucket{endpoint="primary",network="main",le="0.1"} 5`, `penstock_rpc_duration_seconds_count` + endpoint + ` 17`,
		`penstock_rpc_calls_total{from="node",` + step + ` 6`, `penstock_rpc_calls_total{from="cache",` + step + ` 2`, `penstock_rpc_calls_total{from="other",` + step + ` 1`,
		`penstock_rpc_errors_total{kind="reverted",` + step + ` 1`, `penstock_rpc_retries_total{` + step + ` 2`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}
