package api

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// metrics serves all figures for Prometheus. They are those of the same pictures
// that Status gives: nothing is counted twice.
func (s *Server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&figures{server: s, now: time.Now}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, ErrorLog: s.cfg.Logger.StandardLogger(nil),
	})
}

// figures turns pictures of paths into metrics.
type figures struct {
	server *Server
	now    func() time.Time
}

// The labels of a metric: those of a path, a step, an edge.
var (
	ofPath = []string{"pipeline", "path"}
	ofStep = append(ofPath[:2:2], "step")
	ofEdge = append(ofPath[:2:2], "from", "to", "port")
)

func figure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("penstock_"+name, help, labels, nil)
}

var (
	buildInfo = figure("build_info", "1, with the version of the host.", "version")

	pathState      = figure("path_state", "1 for the state that the path is in, 0 for the others.", append(ofPath[:2:2], "state")...)
	pathGeneration = figure("path_generation", "Generation of the path: grows whenever it begins again.", ofPath...)
	pathForks      = figure("path_forks_total", "Reorganisations of the chain that took the path back.", ofPath...)
	pathHead       = figure("path_head_block", "Newest block of the source.", ofPath...)
	pathCommitted  = figure("path_committed_block", "Newest block of the newest checkpoint.", ofPath...)
	pathLag        = figure("path_lag_blocks", "Blocks that the slowest reader is behind the head.", ofPath...)

	checkpointNumber   = figure("checkpoint_number", "Number of the newest checkpoint.", ofPath...)
	checkpointAge      = figure("checkpoint_age_seconds", "Time since the newest checkpoint was recorded.", ofPath...)
	checkpointDuration = figure("checkpoint_duration_seconds", "Time that the newest checkpoint took, from the first barrier to the record.", ofPath...)
	checkpointState    = figure("checkpoint_state_bytes", "Size of all snapshots of the newest checkpoint.", ofPath...)
	checkpointsKept    = figure("checkpoints_kept", "Checkpoints that the path can go back to.", ofPath...)
	checkpointPending  = figure("checkpoint_pending_seconds", "How long the checkpoint has been under way that is being taken; 0: none is.", ofPath...)

	stepState    = figure("step_state", "1 for the state that the process is in, 0 for the others.", append(ofStep[:3:3], "state")...)
	stepRowsIn   = figure("step_rows_in_total", "Rows that the process took.", ofStep...)
	stepRowsOut  = figure("step_rows_out_total", "Rows that the process gave.", ofStep...)
	stepBytesIn  = figure("step_bytes_in_total", "Bytes that the process took.", ofStep...)
	stepBytesOut = figure("step_bytes_out_total", "Bytes that the process gave.", ofStep...)
	stepPoisoned = figure("step_poisoned_total", "Rows that the process could not work on.", ofStep...)
	stepRestarts = figure("step_restarts_total", "How often the process was started again.", ofStep...)
	stepSnapshot = figure("step_state_bytes", "Size of the newest snapshot of the process.", ofStep...)
	stepBlock    = figure("step_block", "Newest safe point of a reader.", ofStep...)
	stepLag      = figure("step_lag_blocks", "Blocks that a reader is behind the head.", ofStep...)

	edgeDepth     = figure("edge_depth_frames", "Frames that wait on the edge.", ofEdge...)
	edgeThreshold = figure("edge_threshold_frames", "Frames at which the producer has to wait.", ofEdge...)
	edgeBytes     = figure("edge_bytes", "Bytes that wait on the edge.", ofEdge...)
	edgeBreaches  = figure("edge_breaches_total", "How often the producer had to wait.", ofEdge...)

	transitions = figure("transitions_total", "Changes of state. Those of a path as a whole have an empty step.", "pipeline", "step", "to")
)

// Describe sends nothing: which figures there are depends on what runs.
func (f *figures) Describe(chan<- *prometheus.Desc) {}

// Collect sends the figures of this moment.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	t := teller{out}
	t.gauge(buildInfo, 1, f.server.cfg.Version)
	for _, p := range f.server.cfg.Engine.Status() {
		f.path(t, p)
		for _, s := range p.Processes {
			t.process(s, p.Pipeline, PathName(p))
		}
	}
	f.server.cfg.Events.transitions(func(tr transition, n uint64) {
		t.counter(transitions, n, tr.pipeline, tr.step, tr.to)
	})
	t.swapped(&f.server.cfg.Events.swaps)
	if f.server.cfg.Nodes != nil {
		for _, n := range f.server.cfg.Nodes.Status() {
			t.network(n)
		}
	}
}

func (f *figures) path(t teller, p engine.PathStatus) {
	labels := []string{p.Pipeline, PathName(p)}
	for _, state := range []engine.PathState{
		engine.PathInactive, engine.PathBackfill, engine.PathLive, engine.PathPaused, engine.PathStopped, engine.PathError,
	} {
		t.gauge(pathState, is(p.State == state), append(labels, string(state))...)
	}
	t.gauge(pathGeneration, float64(p.Generation), labels...)
	t.counter(pathForks, p.Forks, labels...)
	if p.Head > 0 {
		t.gauge(pathHead, float64(p.Head), labels...)
	}
	t.known(pathCommitted, p.Committed, labels...)
	t.known(pathLag, Lag(p), labels...)
	t.gauge(checkpointsKept, float64(p.Kept), labels...)
	pending := 0.0
	if p.Pending != nil {
		pending = f.now().Sub(p.Pending.Since).Seconds()
	}
	t.gauge(checkpointPending, pending, labels...)
	if c := p.Checkpoint; c != nil {
		t.gauge(checkpointNumber, float64(c.Number), labels...)
		t.gauge(checkpointAge, f.now().Sub(c.Time).Seconds(), labels...)
		t.gauge(checkpointDuration, c.Took.Seconds(), labels...)
		t.gauge(checkpointState, float64(c.Bytes), labels...)
	}
}

// Lag is how many blocks the slowest reader of a path is behind the head, nil if
// nobody knows.
func Lag(p engine.PathStatus) *uint64 {
	var most *uint64
	for _, s := range p.Processes {
		if s.Lag != nil && (most == nil || *s.Lag > *most) {
			most = s.Lag
		}
	}
	return most
}

// teller sends metrics to whoever collects them.
type teller struct{ out chan<- prometheus.Metric }

func (t teller) gauge(d *prometheus.Desc, value float64, labels ...string) {
	t.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (t teller) counter(d *prometheus.Desc, n uint64, labels ...string) {
	t.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

// known tells a figure that is there only once it is known.
func (t teller) known(d *prometheus.Desc, n *uint64, labels ...string) {
	if n != nil {
		t.gauge(d, float64(*n), labels...)
	}
}

func (t teller) process(s engine.ProcessStatus, pipeline, path string) {
	labels := []string{pipeline, path, s.Step}
	for _, state := range []engine.ProcessState{
		engine.ProcessInactive, engine.ProcessLive, engine.ProcessCrashed, engine.ProcessTerminated,
	} {
		t.gauge(stepState, is(s.State == state), append(labels, string(state))...)
	}
	t.counter(stepRowsIn, s.RowsIn, labels...)
	t.counter(stepRowsOut, s.RowsOut, labels...)
	t.counter(stepBytesIn, s.BytesIn, labels...)
	t.counter(stepBytesOut, s.BytesOut, labels...)
	t.counter(stepPoisoned, s.Poisoned, labels...)
	t.counter(stepRestarts, s.Restarts, labels...)
	t.gauge(stepSnapshot, float64(s.StateBytes), labels...)
	t.known(stepBlock, s.Block, labels...)
	t.known(stepLag, s.Lag, labels...)
	for _, e := range s.Inputs {
		edge := []string{pipeline, path, e.From, e.To, e.Port}
		t.gauge(edgeDepth, float64(e.Depth), edge...)
		t.gauge(edgeThreshold, float64(e.Threshold), edge...)
		t.gauge(edgeBytes, float64(e.Bytes), edge...)
		t.counter(edgeBreaches, e.Breaches, edge...)
	}
}

func is(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
