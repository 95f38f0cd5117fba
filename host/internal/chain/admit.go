package chain

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/sdk/chain"
)

// admit makes sure that an endpoint serves the chain that the others do and the
// configuration wants: before it is first used, and when it comes back. Of those
// who wait for it at once, one asks.
func (n *Network) admit(ctx context.Context, ep *endpoint) error {
	burst := ep.began()
	select {
	case ep.entering <- struct{}{}:
		defer func() { <-ep.entering }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ep.isAdmitted() {
		n.serves(ep)
		return nil
	}
	if err := ep.failedSince(burst); err != nil {
		return err
	}
	id, err := n.askChainID(ctx, ep)
	if err == nil {
		err = n.agree(ep, id)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
		ep.answered(err)
		return err
	}
	if err != nil {
		ep.answered(err)
		n.blame(ep, err, burst)
		return err
	}
	n.serves(ep)
	ep.mu.Lock()
	ep.admitted, ep.stranger = true, nil
	ep.mu.Unlock()
	return nil
}

// failedSince is the last failure if there was one after a burst.
func (ep *endpoint) failedSince(burst uint64) error {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.epoch == burst {
		return nil
	}
	return ep.last
}

var chainIDQuery = &chain.Query{Method: "eth_chainId", Params: []byte("[]")}

func (n *Network) askChainID(ctx context.Context, ep *endpoint) (uint64, error) {
	ep.gate.charge(ep.units(chainIDQuery))
	replies, err := ep.conn.exchange(ctx, []*chain.Query{chainIDQuery})
	if err == nil {
		err = replies[0].err
	}
	if err != nil {
		return 0, n.fault(ep, chainIDQuery, 0, err)
	}
	id, known := quantityIn(replies[0].result)
	if !known {
		return 0, n.fault(ep, chainIDQuery, 0, fmt.Errorf("%s is no chain id", chain.Short(string(replies[0].result))))
	}
	return id, nil
}

// agree compares the chain id of an endpoint with the one wanted, or makes it the
// one wanted.
func (n *Network) agree(ep *endpoint, id uint64) error {
	n.mu.Lock()
	if n.chainID == 0 {
		n.chainID = id
	}
	want := n.chainID
	n.mu.Unlock()
	if want == id {
		return nil
	}
	fault := &chain.Error{
		Kind: chain.WrongChain, Endpoint: ep.label, What: "eth_chainId", Tries: 1,
		Err: fmt.Errorf("it serves chain %d, but network %q is chain %d: correct the endpoint's url or the network's chain_id", id, n.name, want),
	}
	ep.mu.Lock()
	ep.stranger = fault
	ep.mu.Unlock()
	return fault
}
