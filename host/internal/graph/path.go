package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/registry"
)

// MaxPaths is how many paths a graph may have. Processes that part and join
// again multiply paths; nobody means to run more than this.
const MaxPaths = 10_000

// Path is one way from a reader to an end.
type Path struct {
	ID          registry.PathID
	Pipeline    *config.Pipeline
	Processes   []*Process // the reader first
	Fingerprint Fingerprint
}

// Reader is where the path begins.
func (p *Path) Reader() *Process { return p.Processes[0] }

// End is where the path ends: a loader, or a process that nobody reads.
func (p *Path) End() *Process { return p.Processes[len(p.Processes)-1] }

// Fingerprint tells apart what a PID cannot. It is equal for two processes, or
// paths, if they would give the same data: the same registers with the same
// settings on the same range of the same network, all the way from the reader.
// Names do not matter.
type Fingerprint [sha256.Size]byte

// String returns 64 hex digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// MarshalText writes what String returns.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	if len(text) != 2*len(f) {
		return fmt.Errorf("parse fingerprint: want %d hex digits, got %d characters", 2*len(f), len(text))
	}
	_, err := hex.Decode(f[:], text)
	return err
}

// printed is what a fingerprint covers. Its fields may grow, but only such that
// are left out when empty, or every fingerprint changes.
type printed struct {
	ChainID    uint64          `json:"chain_id"`
	Layer      registry.Layer  `json:"layer"`
	Finality   string          `json:"finality"`
	From       uint64          `json:"from"`
	FromLatest bool            `json:"from_latest,omitempty"`
	To         *uint64         `json:"to,omitempty"`
	Epoch      *config.Epoch   `json:"epoch,omitempty"`
	Register   string          `json:"register"`
	Settings   json.RawMessage `json:"settings,omitempty"`
	After      string          `json:"after,omitempty"`
	Policy     *printedPolicy  `json:"policy,omitempty"`
	Inputs     []printedInput  `json:"inputs,omitempty"`
}

type printedPolicy struct {
	Kind    string `json:"kind"`
	On      string `json:"on,omitempty"`
	Bucket  string `json:"bucket"`
	Require bool   `json:"require,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Timeout int64  `json:"timeout,omitempty"` // nanoseconds
}

type printedInput struct {
	Port string      `json:"port"`
	From Fingerprint `json:"from"`
}

// fingerprint needs those of all processes that p reads.
func fingerprint(p *Process) Fingerprint {
	network := p.Pipeline.Network
	what := printed{
		ChainID: network.ChainID, Layer: network.Layer, Finality: network.Finality,
		From: p.Pipeline.From, FromLatest: p.Pipeline.FromLatest, To: p.Pipeline.To, Epoch: p.Pipeline.Epoch,
		Register: p.Register.Name, Settings: p.Step.Settings, After: p.Step.After,
	}
	if policy := p.Step.Policy; policy != nil {
		what.Policy = &printedPolicy{
			Kind: policy.Kind, On: policy.On, Bucket: policy.Bucket,
			Require: policy.Require, Max: policy.Max, Timeout: policy.Timeout.Nanoseconds(),
		}
	}
	for _, edge := range p.Inputs {
		what.Inputs = append(what.Inputs, printedInput{Port: edge.Port, From: edge.From.Fingerprint})
	}
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // unreachable: settings are valid JSON, the rest is plain
	}
	return sha256.Sum256(text)
}

// paths finds every way from a reader to an end.
func (b *builder) paths(g *Graph) {
	w := &pathWalk{graph: g}
	for _, p := range g.Processes {
		if p.Register.Type != registry.Reader {
			continue
		}
		if !w.visit(p) {
			b.report(config.Error, p.Step.Range, "Too many paths",
				fmt.Sprintf("The pipelines expand to more than %d paths; use fewer steps that part and join again.", MaxPaths))
			return
		}
	}
}

type pathWalk struct {
	graph *Graph
	trail []*Process
}

// visit extends the trail by a process. It returns false when there are too
// many paths.
func (w *pathWalk) visit(p *Process) bool {
	w.trail = append(w.trail, p)
	defer func() { w.trail = w.trail[:len(w.trail)-1] }()
	if len(p.Outputs) == 0 {
		return w.end()
	}
	seen := make(map[*Process]bool, len(p.Outputs))
	for _, edge := range p.Outputs {
		if seen[edge.To] {
			continue // read on two ports
		}
		seen[edge.To] = true
		if !w.visit(edge.To) {
			return false
		}
	}
	return true
}

// end makes a path of the trail.
func (w *pathWalk) end() bool {
	if len(w.graph.Paths) == MaxPaths {
		return false
	}
	path := &Path{Pipeline: w.trail[0].Pipeline, Processes: append([]*Process(nil), w.trail...)}
	pid := registry.NewPathPID(path.Pipeline.PathType, path.End().ID.PID, path.Reader().ID.PID)
	path.ID = registry.NewPathID(pid)
	chain := sha256.New()
	for _, p := range path.Processes {
		chain.Write(p.Fingerprint[:])
	}
	chain.Sum(path.Fingerprint[:0])
	w.graph.Paths = append(w.graph.Paths, path)
	return true
}
