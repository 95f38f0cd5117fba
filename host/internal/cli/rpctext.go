package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	rpc "github.com/penstock-io/penstock/host/internal/chain"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// writeNetworks writes what a person can act on about each network.
func writeNetworks(w *bytes.Buffer, networks []rpc.NetworkStatus, calls bool) {
	for i := range networks {
		if i > 0 {
			w.WriteByte('\n')
		}
		writeNetwork(w, &networks[i])
		if calls {
			writeMethods(w, &networks[i])
			writeAskers(w, &networks[i])
		}
	}
	if len(networks) == 0 {
		w.WriteString("this host has no network\n")
	}
}

func writeNetwork(w *bytes.Buffer, n *rpc.NetworkStatus) {
	fmt.Fprintf(w, "network %s%s: head %s, final %s (%s)\n", n.Name, chainText(n.ChainID), blockText(n.Head), blockText(n.Final), n.Finality)
	fmt.Fprintf(w, "heads: %s; cache: %s\n\n", headsText(n.Heads), cacheText(n.Cache))
	w.WriteString("ENDPOINT\tROLE\tSTATE\tBLOCK\tLAG\tRATE/S\tLIMIT/S\tP50\tP95\tCALLS\tFAILED\tWITHIN 5M\n")
	for _, e := range n.Endpoints {
		lag := "-"
		if e.Height > 0 {
			lag = strconv.FormatUint(e.Behind, 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", e.Name, e.Role, stateText(&e), blockText(e.Height), lag,
			rateText(e.Pace), limitText(&e), timeText(e.P50), timeText(e.P95), e.Attempts, e.Failed.Sum(), e.Recent)
	}
	for _, remark := range remarks(n) {
		fmt.Fprintf(w, "\n%s\n", remark)
	}
	for _, name := range slices.Sorted(maps.Keys(n.Learned)) {
		fmt.Fprintf(w, "\nlearned: %s = %d\n", name, n.Learned[name])
	}
}

// remarks is what a person must know of a network.
func remarks(n *rpc.NetworkStatus) (out []string) {
	if why, is := n.Unreachable(); is {
		out = append(out, unreachable(n.Name, why))
	}
	for _, e := range n.Endpoints {
		if e.LastError != "" {
			out = append(out, fmt.Sprintf("%s (%s), last error: %s", e.Name, e.URL, e.LastError))
		}
	}
	return out
}

// unreachable says that a network cannot be asked.
func unreachable(name, why string) string {
	return fmt.Sprintf("network %s cannot be reached: no endpoint of it answers; the last one said: %s", name, cmp.Or(why, "nothing"))
}

func chainText(id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf(" (chain %d)", id)
}

func blockText(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}

func headsText(h rpc.HeadsStatus) string {
	switch {
	case h.Watchers == 0:
		return "nobody follows them"
	case h.Mode == "subscription":
		return fmt.Sprintf("by subscription, for %s", plural(h.Watchers, "step"))
	}
	return fmt.Sprintf("asked for every %s, for %s", h.Every, plural(h.Watchers, "step"))
}

func cacheText(c rpc.CacheStatus) string {
	if c.Most == 0 {
		return "none"
	}
	return fmt.Sprintf("%s in %s of %s", plural(c.Answers, "answer"), bytesText(c.Bytes), bytesText(c.Most))
}

// bytesText is a size in the unit that suits it.
func bytesText(n uint64) string {
	size, unit := float64(n), 0
	for size >= 1024 && unit < 4 {
		size, unit = size/1024, unit+1
	}
	text := strconv.FormatFloat(size, 'f', 1, 64)
	if unit == 0 || size >= 100 {
		text = strconv.FormatFloat(size, 'f', 0, 64)
	}
	return text + " " + []string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}

func stateText(e *rpc.EndpointReport) string {
	if e.Rests > 0 {
		return fmt.Sprintf("%s, %s more", e.State, e.Rests.Round(time.Second))
	}
	return e.State
}

func rateText(perSecond float64) string {
	switch {
	case perSecond == 0:
		return "-"
	case perSecond < 10:
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64)
}

// limitText is what an endpoint turned out to stand, and what it was said to.
func limitText(e *rpc.EndpointReport) string {
	found := rateText(e.Rate)
	switch {
	case e.Limit == "":
		return found
	case e.Rate == 0:
		return e.Limit
	}
	return found + " of " + e.Limit
}

func timeText(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// writeMethods writes what became of the calls to each method.
func writeMethods(w *bytes.Buffer, n *rpc.NetworkStatus) {
	w.WriteString("\nMETHOD\tWANTED\tCACHE\tSHARED\tASKED\tRETRIES\tERRORS\tP50\tP95\tUNITS\n")
	for _, m := range n.Methods {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%.0f\n", m.Method, m.Wanted.Calls, m.Wanted.Kept, m.Wanted.Joined, m.Attempts, m.Wanted.Retries(),
			m.Wanted.Failed.Sum(), timeText(m.P50), timeText(m.P95), m.Units)
	}
}

// writeAskers writes what became of what each step wanted.
func writeAskers(w *bytes.Buffer, n *rpc.NetworkStatus) {
	w.WriteString("\nSTEP\tPLUGIN\tWANTED\tCACHE\tSHARED\tASKED\tRETRIES\tERRORS\tRECEIVED\n")
	for _, s := range n.Askers {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", cmp.Or(s.Step, "-"), cmp.Or(s.Plugin, "(the host)"), s.Calls, s.Kept, s.Joined, s.Attempts, s.Retries(),
			s.Failed.Sum(), bytesText(s.Received))
	}
}

// networkDocument is a network as JSON.
type networkDocument struct {
	Name        string             `json:"name"`
	ChainID     uint64             `json:"chain_id,omitempty"`
	Finality    string             `json:"finality"`
	Head        uint64             `json:"head,omitempty"`
	Final       uint64             `json:"final,omitempty"`
	Forks       uint64             `json:"forks"`
	Unreachable string             `json:"unreachable,omitempty"` // why it is
	Endpoints   []endpointDocument `json:"endpoints"`
	Methods     []methodDocument   `json:"methods"`
	Steps       []askerDocument    `json:"steps"`
	Cache       cacheDocument      `json:"cache"`
	Heads       headsDocument      `json:"heads"`
	Learned     map[string]uint64  `json:"learned,omitempty"`
}

type endpointDocument struct {
	Name       string            `json:"name"`
	URL        string            `json:"url"`
	Role       string            `json:"role"`
	State      string            `json:"state"`
	RestsMS    int64             `json:"rests_ms,omitempty"`
	Block      uint64            `json:"block,omitempty"`
	Lag        uint64            `json:"lag"`
	RatePerS   float64           `json:"rate_per_s"`
	LimitPerS  float64           `json:"limit_per_s,omitempty"` // found out
	Limit      string            `json:"limit,omitempty"`       // said
	SpentToday float64           `json:"spent_today"`
	Units      float64           `json:"units"`
	Batch      int               `json:"batch"`
	InFlight   int               `json:"in_flight"`
	Calls      uint64            `json:"calls"`
	Failures   map[string]uint64 `json:"failures,omitempty"`
	Recent     uint64            `json:"failures_within_5m"`
	Throttled  uint64            `json:"throttled"`
	Mismatches uint64            `json:"mismatches"`
	Hedges     uint64            `json:"hedges"`
	Bytes      uint64            `json:"received_bytes"`
	P50MS      float64           `json:"p50_ms"`
	P95MS      float64           `json:"p95_ms"`
	P99MS      float64           `json:"p99_ms"`
	LastError  string            `json:"last_error,omitempty"`
}

type wantsDocument struct {
	Wanted  uint64            `json:"wanted"`
	Cache   uint64            `json:"cache"`
	Shared  uint64            `json:"shared"`
	Asked   uint64            `json:"asked"`
	Retries uint64            `json:"retries"`
	Errors  map[string]uint64 `json:"errors,omitempty"`
	Bytes   uint64            `json:"received_bytes"`
}

type methodDocument struct {
	Method string `json:"method"`
	wantsDocument
	Units float64 `json:"units"`
	P50MS float64 `json:"p50_ms"`
	P95MS float64 `json:"p95_ms"`
}

type askerDocument struct {
	Step   string `json:"step,omitempty"`
	Plugin string `json:"plugin,omitempty"`
	wantsDocument
}

type cacheDocument struct {
	Answers int    `json:"answers"`
	Bytes   uint64 `json:"bytes"`
	Most    uint64 `json:"most"`
	Purged  uint64 `json:"purged"`
}

type headsDocument struct {
	Watchers int        `json:"watchers"`
	Mode     string     `json:"mode,omitempty"`
	EveryMS  int64      `json:"every_ms,omitempty"`
	Heard    *time.Time `json:"heard,omitempty"`
}

func networkDocuments(networks []rpc.NetworkStatus) []networkDocument {
	out := make([]networkDocument, 0, len(networks))
	for i := range networks {
		out = append(out, networkDocumentOf(&networks[i]))
	}
	return out
}

func networkDocumentOf(n *rpc.NetworkStatus) networkDocument {
	d := networkDocument{
		Name: n.Name, ChainID: n.ChainID, Finality: n.Finality, Head: n.Head, Final: n.Final, Forks: n.Forks, Learned: n.Learned,
		Endpoints: []endpointDocument{}, Methods: []methodDocument{}, Steps: []askerDocument{},
		Cache: cacheDocument(n.Cache),
		Heads: headsDocument{Watchers: n.Heads.Watchers, Mode: n.Heads.Mode, EveryMS: n.Heads.Every.Milliseconds()},
	}
	if !n.Heads.Heard.IsZero() {
		d.Heads.Heard = &n.Heads.Heard
	}
	if why, is := n.Unreachable(); is {
		d.Unreachable = cmp.Or(why, "no endpoint answers")
	}
	for i := range n.Endpoints {
		d.Endpoints = append(d.Endpoints, endpointDocumentOf(&n.Endpoints[i]))
	}
	for _, m := range n.Methods {
		w := wantsDocumentOf(m.Wanted)
		w.Asked = m.Attempts
		d.Methods = append(d.Methods, methodDocument{Method: m.Method, wantsDocument: w, Units: m.Units, P50MS: ms(m.P50), P95MS: ms(m.P95)})
	}
	for _, s := range n.Askers {
		d.Steps = append(d.Steps, askerDocument{Step: s.Step, Plugin: s.Plugin, wantsDocument: wantsDocumentOf(s.WantReport)})
	}
	return d
}

func endpointDocumentOf(e *rpc.EndpointReport) endpointDocument {
	return endpointDocument{
		Name: e.Name, URL: e.URL, Role: e.Role, State: e.State, RestsMS: e.Rests.Milliseconds(), Block: e.Height, Lag: e.Behind, RatePerS: e.Pace,
		LimitPerS: e.Rate, Limit: e.Limit, SpentToday: e.SpentToday, Units: e.Units, Batch: e.Batch, InFlight: e.InFlight, Calls: e.Attempts,
		Failures: failuresOf(e.Failed), Recent: e.Recent, Throttled: e.Throttled, Mismatches: e.Mismatches, Hedges: e.Hedges, Bytes: e.Received,
		P50MS: ms(e.P50), P95MS: ms(e.P95), P99MS: ms(e.P99), LastError: e.LastError,
	}
}

func wantsDocumentOf(w rpc.WantReport) wantsDocument {
	return wantsDocument{Wanted: w.Calls, Cache: w.Kept, Shared: w.Joined, Asked: w.Attempts, Retries: w.Retries(), Errors: failuresOf(w.Failed), Bytes: w.Received}
}

// failuresOf are the kinds of errors that there were.
func failuresOf(f rpc.Failures) map[string]uint64 {
	out := make(map[string]uint64)
	for kind, n := range f {
		if n > 0 {
			out[rpc.KindName(sdk.Kind(kind))] = n
		}
	}
	return out
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
