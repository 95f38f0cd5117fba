package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"github.com/penstock-io/penstock/host/internal/api/hostv1"
	"github.com/penstock-io/penstock/host/internal/api/hostv1/hostv1connect"
	"github.com/penstock-io/penstock/host/internal/chain"
	sdk "github.com/penstock-io/penstock/sdk/chain"
)

// Nodes are those that a host asks for its plugins, as *chain.Service does.
type Nodes interface {
	Status() []chain.NetworkStatus
	Exchange(ctx context.Context, r sdk.Request) ([]sdk.Result, error)
}

// person is who asks nodes through the API.
var person = sdk.Asker{Plugin: "penstock", Step: "rpc call"}

// largestCall is how long an answer of a node may be that goes through the API.
const largestCall = 64 << 20

// rpcService answers the calls of rpc.proto.
type rpcService struct{ *Server }

// handle adds the service to a server, if its host asks nodes.
func (s *rpcService) handle(mux *http.ServeMux, usual connect.HandlerOption) {
	if s.cfg.Nodes != nil {
		mux.Handle(hostv1connect.NewRpcServiceHandler(s, usual))
	}
}

// ListNetworks tells how the nodes of all networks are.
func (s *rpcService) ListNetworks(_ context.Context, _ *connect.Request[hostv1.ListNetworksRequest]) (*connect.Response[hostv1.ListNetworksResponse], error) {
	out := &hostv1.ListNetworksResponse{}
	for _, n := range s.cfg.Nodes.Status() {
		out.Networks = append(out.Networks, toNetwork(n))
	}
	return connect.NewResponse(out), nil
}

// CallNode makes one call.
func (s *rpcService) CallNode(ctx context.Context, r *connect.Request[hostv1.CallNodeRequest]) (*connect.Response[hostv1.CallNodeResponse], error) {
	results, err := s.cfg.Nodes.Exchange(ctx, sdk.Request{
		Asker: person, Network: r.Msg.Network, Calls: []sdk.Query{{Method: r.Msg.Method, Params: r.Msg.Params}},
	})
	if unknown := (*chain.UnknownError)(nil); errors.As(err, &unknown) {
		return nil, connect.NewError(connect.CodeNotFound, err)
	}
	if err != nil {
		return nil, explained(err)
	}
	result := results[0]
	if len(result.Raw) > largestCall-1<<10 {
		return nil, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("the answer has %d bytes, more than goes through here: ask the node itself", len(result.Raw)))
	}
	return connect.NewResponse(&hostv1.CallNodeResponse{Result: result.Raw, Endpoint: result.Endpoint, Error: toNodeError(result.Err)}), nil
}

// nodes is the service of nodes, whose answers may be large.
func (c *Client) nodes() hostv1connect.RpcServiceClient {
	return hostv1connect.NewRpcServiceClient(&http.Client{Transport: c.transport}, "http://host", connect.WithReadMaxBytes(largestCall))
}

// Networks tells how the nodes of all networks are. Histograms are not told.
func (c *Client) Networks(ctx context.Context) ([]chain.NetworkStatus, error) {
	r, err := c.nodes().ListNetworks(ctx, connect.NewRequest(&hostv1.ListNetworksRequest{}))
	if err != nil {
		return nil, c.told("list the networks", err)
	}
	out := make([]chain.NetworkStatus, 0, len(r.Msg.Networks))
	for _, m := range r.Msg.Networks {
		out = append(out, fromNetwork(m))
	}
	return out, nil
}

// CallNode makes one call to a network, to the only one if it is "". The error of
// a node stands in the result.
func (c *Client) CallNode(ctx context.Context, network string, q sdk.Query) (sdk.Result, error) {
	r, err := c.nodes().CallNode(ctx, connect.NewRequest(&hostv1.CallNodeRequest{Network: network, Method: q.Method, Params: q.Params}))
	if err != nil {
		return sdk.Result{}, c.told("call", err)
	}
	return sdk.Result{Raw: r.Msg.Result, Endpoint: r.Msg.Endpoint, Err: fromNodeError(r.Msg.Error)}, nil
}
