package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/project"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

func (a *app) rpcCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rpc",
		Short: "See the nodes that a host asks, and ask them",
		Long: `A host asks the nodes of its networks for all of its plugins: it keeps to the
rates of their endpoints, tries again elsewhere what has failed, asks once for what
several want, and keeps answers that cannot change. These commands show how that
goes, and ask nodes the same way.`,
		Example: `  penstock rpc status
  penstock rpc call eth_getBlockByNumber latest false
  penstock rpc record answers --range 19M:+100`,
	}
	group(cmd)
	cmd.AddCommand(a.rpcStatusCommand(), a.rpcCallCommand(), a.rpcRecordCommand())
	return cmd
}

func (a *app) rpcStatusCommand() *cobra.Command {
	h := &host{}
	calls := false
	cmd := &cobra.Command{
		Use:   "status [NETWORK]",
		Short: "Say how the endpoints of a running host's networks are",
		Long: `Status tells of every endpoint whether it is asked, the newest block that it has
shown and how far that is behind the best one, the units per second that are spent
there and what it may stand, how long half and nineteen of twenty answers take at
most, and how many calls have failed, and of those within five minutes, with the
words of the last one. --calls adds what became of the calls to each method and of each step.`,
		Example: "  penstock rpc status\n  penstock rpc status ethereum --calls\n  penstock rpc status --json | jq '.[].endpoints[] | {name, state, lag}'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return h.ask(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				networks, err := c.Networks(ctx)
				if err != nil {
					return err
				}
				if networks, err = chosenNetworks(networks, args); err != nil {
					return err
				}
				if h.json {
					return printJSON(a.stdout, networkDocuments(networks))
				}
				return aligned(a.stdout, func(w *bytes.Buffer) { writeNetworks(w, networks, calls) })
			})
		},
	}
	h.flags(cmd, statusTimeout)
	cmd.Flags().BoolVar(&calls, "calls", false, "tell of the calls to each method and of each step too")
	return cmd
}

// chosenNetworks is the network that was named, or all.
func chosenNetworks(networks []rpc.NetworkStatus, names []string) ([]rpc.NetworkStatus, error) {
	if len(names) == 0 {
		return networks, nil
	}
	var known []string
	for _, n := range networks {
		if n.Name == names[0] {
			return []rpc.NetworkStatus{n}, nil
		}
		known = append(known, n.Name)
	}
	return nil, &rpc.UnknownError{Name: names[0], Known: known}
}

// calling says which call is made.
type calling struct {
	host
	network string
	direct  bool
}

func (a *app) rpcCallCommand() *cobra.Command {
	o := &calling{}
	cmd := &cobra.Command{
		Use:   "call METHOD [PARAMS...]",
		Short: "Ask a node something",
		Long: `Call asks the nodes of a network, through the host that runs on the data directory,
and directly where none runs: with the endpoints of the pipeline file, their rates and
retries. A parameter is JSON, or a text where it is none; the result is printed as
JSON.`,
		Example: `  penstock rpc call eth_blockNumber
  penstock rpc call eth_getBlockByNumber latest false --network ethereum
  penstock rpc call eth_call '{"to": "0x...", "data": "0x18160ddd"}' latest --direct --file pipelines.hcl`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.callNode(ctx, o, args[0], args[1:]) })
		},
	}
	o.flags(cmd, statusTimeout)
	cmd.Flags().StringVar(&o.network, "network", "", "`name` of the network; not needed where there is only one")
	cmd.Flags().BoolVar(&o.direct, "direct", false, "do not ask through the running host")
	return cmd
}

// paramsOf makes the parameters of a call of words.
func paramsOf(words []string) ([]byte, error) {
	params := make([]json.RawMessage, len(words))
	for i, word := range words {
		if json.Valid([]byte(word)) {
			params[i] = json.RawMessage(word)
			continue
		}
		if strings.HasPrefix(word, "{") || strings.HasPrefix(word, "[") {
			return nil, usagef("parameter %d is no JSON: %s", i+1, word)
		}
		text, err := json.Marshal(word)
		if err != nil {
			return nil, err
		}
		params[i] = text
	}
	return json.Marshal(params)
}

// callDocument is an answer as JSON.
type callDocument struct {
	Result   json.RawMessage `json:"result,omitempty"`
	Endpoint string          `json:"endpoint,omitempty"`
	Error    *errorDocument  `json:"error,omitempty"`
}

type errorDocument struct {
	Kind    string          `json:"kind"`
	Message string          `json:"message"`
	Code    int             `json:"code,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Tries   int             `json:"tries,omitempty"`
}

// callNode makes a call and prints its result.
func (a *app) callNode(ctx context.Context, o *calling, method string, words []string) error {
	params, err := paramsOf(words)
	if err != nil {
		return err
	}
	if o.timeout <= 0 {
		return usagef("--timeout %s: it is a time above 0, such as 30s or 5m", o.timeout)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("there was no answer within %s: penstock rpc status tells why; --timeout waits longer", o.timeout))
	defer cancel()
	result, err := a.answerTo(ctx, o, sdk.Query{Method: method, Params: params})
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case o.json:
		err = printJSON(a.stdout, callDocument{Result: result.Raw, Endpoint: result.Endpoint, Error: errorDocumentOf(result.Err)})
		if err == nil && result.Err != nil {
			return errSaid
		}
		return err
	case result.Err != nil:
		return result.Err
	}
	return printJSON(a.stdout, json.RawMessage(result.Raw))
}

func errorDocumentOf(e *sdk.Error) *errorDocument {
	if e == nil {
		return nil
	}
	out := &errorDocument{Kind: rpc.KindName(e.Kind), Message: e.Error(), Tries: e.Tries}
	if told, ok := errors.AsType[*sdk.RPCError](e.Err); ok {
		out.Message, out.Code, out.Data = told.Message, told.Code, told.Data
	}
	return out
}

// answerTo asks through the host, or directly.
func (a *app) answerTo(ctx context.Context, o *calling, q sdk.Query) (sdk.Result, error) {
	if !o.direct {
		c, err := o.dial(ctx)
		if none := (*api.NoHostError)(nil); err != nil && !errors.As(err, &none) {
			return sdk.Result{}, err
		}
		if err == nil {
			defer c.Close()
			return c.CallNode(ctx, o.network, q)
		}
	}
	path := first(o.file, defaultFile)
	read, diags := config.Read(path)
	if diags.HasErrors() {
		return sdk.Result{}, a.complain(config.Explain(), diags, path)
	}
	file, diags := config.Parse(read, config.Options{Env: os.LookupEnv, BaseDir: project.BaseDir(path)})
	if diags.HasErrors() {
		return sdk.Result{}, a.complain(file, diags, path)
	}
	nodes, err := rpc.New(rpc.Config{Networks: file.Networks})
	if err != nil {
		return sdk.Result{}, err
	}
	defer nodes.Close()
	results, err := nodes.Exchange(ctx, sdk.Request{Network: o.network, Calls: []sdk.Query{q}})
	if err != nil {
		return sdk.Result{}, err
	}
	return results[0], nil
}
