package graph

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// JSON writes the graph for programs. Processes are known by their names,
// pipeline/step. Settings are not written, as they may hold secrets.
func (g *Graph) JSON(w io.Writer) error {
	doc := jsonGraph{Processes: []jsonProcess{}, Edges: []jsonEdge{}, Paths: []jsonPath{}, Domains: []jsonDomain{}}
	for _, p := range g.Processes {
		doc.Processes = append(doc.Processes, jsonProcess{
			Name: p.Name(), Pipeline: p.Pipeline.Name, Step: p.Step.Name, Kind: p.Register.Type.String(),
			Register: p.Register.Name, Plugin: p.Register.Plugin, Output: p.Register.Output.Name,
			PID: p.ID.PID, Fingerprint: p.Fingerprint, Implied: p.Step.Implied,
		})
	}
	g.edges(func(e *Edge) {
		doc.Edges = append(doc.Edges, jsonEdge{
			From: e.From.Name(), To: e.To.Name(), Port: e.Port, Input: e.Input, Type: e.From.Register.Output.Name,
		})
	})
	for _, p := range g.Paths {
		doc.Paths = append(doc.Paths, jsonPath{
			PID: p.ID.PID, Type: p.Pipeline.PathType.String(), Fingerprint: p.Fingerprint, Processes: names(p.Processes),
		})
	}
	for _, d := range g.Domains {
		doc.Domains = append(doc.Domains, jsonDomain{Name: d.Name, Processes: names(d.Processes)})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(doc); err != nil {
		return fmt.Errorf("write graph: %w", err)
	}
	return nil
}

func names(processes []*Process) []string {
	names := make([]string, len(processes))
	for i, p := range processes {
		names[i] = p.Name()
	}
	return names
}

type jsonGraph struct {
	Processes []jsonProcess `json:"processes"`
	Edges     []jsonEdge    `json:"edges"`
	Paths     []jsonPath    `json:"paths"`
	Domains   []jsonDomain  `json:"domains"`
}

type jsonProcess struct {
	Name        string       `json:"name"`
	Pipeline    string       `json:"pipeline"`
	Step        string       `json:"step"`
	Kind        string       `json:"kind"`
	Register    string       `json:"register"`
	Plugin      string       `json:"plugin"`
	Output      string       `json:"output,omitempty"`
	PID         registry.PID `json:"pid"`
	Fingerprint Fingerprint  `json:"fingerprint"`
	Implied     bool         `json:"implied,omitempty"`
}

type jsonEdge struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Port  string `json:"port,omitempty"`
	Input int    `json:"input"`
	Type  string `json:"type"`
}

type jsonPath struct {
	PID         registry.PathPID `json:"pid"`
	Type        string           `json:"type"`
	Fingerprint Fingerprint      `json:"fingerprint"`
	Processes   []string         `json:"processes"`
}

type jsonDomain struct {
	Name      string   `json:"name"`
	Processes []string `json:"processes"`
}
