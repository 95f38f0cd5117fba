package config

import (
	"crypto/ed25519"
	"encoding/json"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Model is what the files of a project say, checked against a registry. Its
// order is that of the files; instances of for_each stand in the order of
// their keys.
type Model struct {
	Networks  []*Network
	Pipelines []*Pipeline
	Plugins   map[string]*Plugin
	Host      Host
	// Secrets are the values that nobody may see, the longest first.
	Secrets []string
}

// Network is a chain and the ways to reach it.
type Network struct {
	Name      string
	ChainID   uint64 // what its nodes must say; 0: whatever they say
	Layer     registry.Layer
	Endpoints []Endpoint
	Finality  string // "finalized", "safe" or a number of confirmations
	RPC       RPC
	Range     Range
}

// RPC says how the nodes of a network are asked. A zero value was not set.
type RPC struct {
	Timeout time.Duration // of one call of one endpoint
	Retries *uint64       // how often a call is made again before it has failed
	Hedge   string        // "off", "auto" or a time: see HedgeAfter
	Cache   *uint64       // bytes of answers that are kept; 0: none
	Breaker Breaker
}

// Breaker says when an endpoint is left alone: for the time Rest, after Failures
// calls in a row that failed.
type Breaker struct {
	Failures uint64
	Rest     time.Duration
}

// The roles of endpoints.
const (
	Primary  = "primary"  // asked as long as it answers
	Fallback = "fallback" // asked while no primary one answers
	Archive  = "archive"  // asked for what the others no longer have, and after all of them
)

// Endpoint is one node of a network, or a place where answers of one are kept.
type Endpoint struct {
	Name string
	// URL is that of a node (http, https, ws, wss), the path of an IPC socket, or
	// a directory behind era1: or recorded:.
	URL  string
	Rate string // units of cost per time, such as 25/s, for ParseRate; "" is unlimited
	Role string // Primary, Fallback or Archive; "" is Primary
	// Cost is the price of a unit here relative to others; 0 was not set, and is 1.
	Cost float64
	// Weights are the units that a call costs, by method; 1 for a method that is
	// not there.
	Weights map[string]float64
	Headers map[string]string // sent with every request; nobody may see their values
	Batch   uint64            // most calls in one request; 0 was not set, 1: no batches
}

// Pipeline is a set of steps that work on one network.
type Pipeline struct {
	Name       string // with the key after a dot if Key is set
	Key        string // the key of for_each
	Network    *Network
	From       uint64 // first block, inclusive
	FromLatest bool   // begin at the head of the chain instead
	To         *uint64
	// Begin and End stand in the place of From and To where only the chain can tell
	// their numbers.
	Begin, End Mark
	PathType   registry.PathType // Backtest if there is an end
	Epoch      *Epoch
	Recovery   Recovery
	Steps      []*Step
	Range      Range
}

// Epoch cuts a chain into block ranges of one size, each released when the
// head is Offset blocks past its end.
type Epoch struct {
	Size, Offset uint64
}

// Step is what becomes a process.
type Step struct {
	Kind     registry.ProcessType
	Register string
	Name     string // unique in its pipeline; with the key after a dot if Key is set
	Key      string // the key of for_each
	Inputs   []Input
	Policy   *Policy // set for aggregators only
	After    string  // "final": take nothing that can be undone
	Settings json.RawMessage
	// Secrets names the settings whose values nobody may be shown, whatever their
	// register says: they come from a sensitive variable, the environment or
	// another file.
	Secrets []string
	// Places says where each of the plugin's own attributes and blocks stands.
	Places map[string]Range
	Range  Range
	// Implied steps stand in no file: a register that a step depends on was
	// added with its defaults. Range is then that of the step which needs it.
	Implied bool
	// Broken steps have a mistake that was reported. What is missing in one
	// is not worth a second report.
	Broken bool
}

// Input is one edge into a step.
type Input struct {
	Port  string
	From  *Step
	Range Range // the reference
}

// Policy says how an aggregator joins its inputs.
type Policy struct {
	Kind    string        // "block", "epoch" or "trigger"
	On      string        // the port that triggers
	Bucket  string        // "all" rows since the last tuple, or the "latest" one
	Require bool          // no tuple while a port has nothing
	Max     uint64        // rows that a bucket holds; 0 is the engine's default
	Timeout time.Duration // how long a tuple waits for a slow port; 0 is for ever
	Range   Range
}

// Plugin says how one plugin differs from the defaults.
type Plugin struct {
	Name   string
	Path   string            // the binary; "" is found by name in the plugin directory
	Env    map[string]string // all that the process finds in its environment
	Limits Limits
	Dev    bool // may run although it is not locked
	// MutualTLS: host and plugin prove to each other who they are.
	MutualTLS bool
	Network   bool // may reach one
	Sandbox   Sandbox
	Range     Range
}

// Sandbox says what a plugin may reach beside what every program needs, and what
// the settings of its steps name.
type Sandbox struct {
	Off         bool     // it reaches whatever its user reaches
	Read, Write []string // files and directories, each with all that is below it
}

// Limits bound what a plugin's process may use. 0 is no limit.
type Limits struct {
	Memory    uint64 // bytes
	OpenFiles uint64
	Processes uint64
	CPU       float64 // processors
}

// Host holds the settings of the host itself. A zero value was not set.
type Host struct {
	DataDir            string
	PluginDir          string
	TrustedKeys        []ed25519.PublicKey // one must have signed each plugin; nil: nothing need be signed
	HardTerminateAfter time.Duration
	StartTimeout       time.Duration
	Restart            Restart
}

// Restart is the budget of a process that keeps failing: Max restarts within
// the time Within.
type Restart struct {
	Max    uint64
	Within time.Duration
}
