package api

import (
	"errors"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/chain"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

func toNetwork(n chain.NetworkStatus) *hostv1.Network {
	out := &hostv1.Network{
		Name: n.Name, ChainId: n.ChainID, Finality: n.Finality, Head: n.Head, Final: n.Final, Learned: n.Learned, Forks: n.Forks,
		Cache: &hostv1.NodeCache{Answers: int64(n.Cache.Answers), Bytes: n.Cache.Bytes, Most: n.Cache.Most, Purged: n.Cache.Purged},
		Heads: &hostv1.NodeHeads{Watchers: int64(n.Heads.Watchers), Mode: n.Heads.Mode, Every: durationpb.New(n.Heads.Every), Heard: toTime(n.Heads.Heard)},
	}
	for _, e := range n.Endpoints {
		out.Endpoints = append(out.Endpoints, toEndpoint(e))
	}
	for _, m := range n.Methods {
		out.Methods = append(out.Methods, &hostv1.NodeMethod{
			Method: m.Method, Wanted: toWants(m.Wanted), Attempts: m.Attempts, Units: m.Units, P50: durationpb.New(m.P50), P95: durationpb.New(m.P95),
		})
	}
	for _, a := range n.Askers {
		asker := &hostv1.NodeAsker{Plugin: a.Plugin, Step: a.Step, Wanted: toWants(a.WantReport), Methods: make(map[string]*hostv1.NodeWants, len(a.Methods))}
		for method, w := range a.Methods {
			asker.Methods[method] = toWants(w)
		}
		out.Askers = append(out.Askers, asker)
	}
	return out
}

func fromNetwork(m *hostv1.Network) chain.NetworkStatus {
	out := chain.NetworkStatus{
		Name: m.Name, ChainID: m.ChainId, Finality: m.Finality, Head: m.Head, Final: m.Final, Learned: m.Learned, Forks: m.Forks,
		Cache: chain.CacheStatus{Answers: int(m.Cache.GetAnswers()), Bytes: m.Cache.GetBytes(), Most: m.Cache.GetMost(), Purged: m.Cache.GetPurged()},
		Heads: chain.HeadsStatus{
			Watchers: int(m.Heads.GetWatchers()), Mode: m.Heads.GetMode(), Every: m.Heads.GetEvery().AsDuration(), Heard: fromTime(m.Heads.GetHeard()),
		},
	}
	for _, e := range m.Endpoints {
		out.Endpoints = append(out.Endpoints, fromEndpoint(e))
	}
	for _, r := range m.Methods {
		out.Methods = append(out.Methods, chain.MethodReport{
			Method: r.Method, Wanted: fromWants(r.Wanted), Attempts: r.Attempts, Units: r.Units, P50: r.P50.AsDuration(), P95: r.P95.AsDuration(),
		})
	}
	for _, a := range m.Askers {
		asker := chain.AskerReport{Asker: sdk.Asker{Plugin: a.Plugin, Step: a.Step}, WantReport: fromWants(a.Wanted), Methods: make(map[string]chain.WantReport, len(a.Methods))}
		for method, w := range a.Methods {
			asker.Methods[method] = fromWants(w)
		}
		out.Askers = append(out.Askers, asker)
	}
	return out
}

func toEndpoint(e chain.EndpointReport) *hostv1.NodeEndpoint {
	return &hostv1.NodeEndpoint{
		Name: e.Name, Url: e.URL, Role: e.Role, Cost: e.Cost, State: e.State, Rests: durationpb.New(e.Rests), Height: e.Height, Behind: e.Behind,
		InFlight: int64(e.InFlight), Waiting: int64(e.Waiting), Parallel: int64(e.Parallel), Rate: e.Rate, Limit: e.Limit, Batch: int64(e.Batch),
		Exchanges: e.Exchanges, Calls: e.Calls, Failures: e.Failures, Throttled: e.Throttled, Mismatches: e.Mismatches, Hedges: e.Hedges, Bytes: e.Bytes,
		SpentToday: e.SpentToday, LastError: bounded(e.LastError), Attempts: e.Attempts, Failed: toFailed(e.Failed), Received: e.Received, Units: e.Units,
		Recent: e.Recent, P50: durationpb.New(e.P50), P95: durationpb.New(e.P95), P99: durationpb.New(e.P99), Pace: e.Pace,
	}
}

func fromEndpoint(m *hostv1.NodeEndpoint) chain.EndpointReport {
	return chain.EndpointReport{
		EndpointStatus: chain.EndpointStatus{
			Name: m.Name, URL: m.Url, Role: m.Role, Cost: m.Cost, State: m.State, Rests: m.Rests.AsDuration(), Height: m.Height, Behind: m.Behind,
			InFlight: int(m.InFlight), Waiting: int(m.Waiting), Parallel: int(m.Parallel), Rate: m.Rate, Batch: int(m.Batch), Exchanges: m.Exchanges,
			Calls: m.Calls, Failures: m.Failures, Throttled: m.Throttled, Mismatches: m.Mismatches, Hedges: m.Hedges, Bytes: m.Bytes,
			SpentToday: m.SpentToday, LastError: m.LastError,
		},
		Limit: m.Limit, Attempts: m.Attempts, Failed: fromFailed(m.Failed), Received: m.Received, Units: m.Units, Recent: m.Recent,
		P50: m.P50.AsDuration(), P95: m.P95.AsDuration(), P99: m.P99.AsDuration(), Pace: m.Pace,
	}
}

func toWants(w chain.WantReport) *hostv1.NodeWants {
	return &hostv1.NodeWants{Calls: w.Calls, Kept: w.Kept, Joined: w.Joined, Failed: toFailed(w.Failed), Received: w.Received, Attempts: w.Attempts}
}

func fromWants(m *hostv1.NodeWants) chain.WantReport {
	return chain.WantReport{
		Calls: m.GetCalls(), Kept: m.GetKept(), Joined: m.GetJoined(), Failed: fromFailed(m.GetFailed()), Received: m.GetReceived(), Attempts: m.GetAttempts(),
	}
}

func toFailed(f chain.Failures) map[uint32]uint64 {
	out := make(map[uint32]uint64)
	for kind, n := range f {
		if n > 0 {
			out[uint32(kind)] = n
		}
	}
	return out
}

func fromFailed(m map[uint32]uint64) (f chain.Failures) {
	for kind, n := range m {
		if int(kind) < len(f) {
			f[kind] = n
		}
	}
	return f
}

func toNodeError(e *sdk.Error) *hostv1.NodeError {
	if e == nil {
		return nil
	}
	out := &hostv1.NodeError{Kind: uint32(e.Kind), Endpoint: e.Endpoint, What: e.What, Tries: int64(e.Tries), Spent: durationpb.New(e.Spent), Message: e.Err.Error()}
	if told, ok := errors.AsType[*sdk.RPCError](e.Err); ok {
		out.Told, out.Code, out.Message, out.Data = true, int64(told.Code), told.Message, told.Data
	}
	return out
}

func fromNodeError(m *hostv1.NodeError) *sdk.Error {
	if m == nil {
		return nil
	}
	e := &sdk.Error{Kind: sdk.Kind(m.Kind), Endpoint: m.Endpoint, What: m.What, Tries: int(m.Tries), Spent: m.Spent.AsDuration(), Err: errors.New(m.Message)}
	if m.Told {
		e.Err = &sdk.RPCError{Code: int(m.Code), Message: m.Message, Data: m.Data}
	}
	return e
}
