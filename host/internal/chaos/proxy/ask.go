package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// post sends a message to the node.
func (p *Proxy) post(ctx context.Context, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.cfg.HTTP, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the node: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the node: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the node's answer: %w", err)
	}
	return answer, nil
}

// result is the node's answer to one call.
func (p *Proxy) result(ctx context.Context, method string, params ...json.RawMessage) (json.RawMessage, error) {
	m := message{calls: []call{{Version: "2.0", ID: json.RawMessage("1"), Method: method, Params: params}}}
	replies, err := p.forward(ctx, &m)
	if err != nil {
		return nil, err
	}
	if e := replies[0].Error; e != nil {
		return nil, fmt.Errorf("%s: %s", method, e.Message)
	}
	return replies[0].Result, nil
}

// forward has the node answer the calls of a message; the answers are in their
// order.
func (p *Proxy) forward(ctx context.Context, m *message) ([]reply, error) {
	body, err := json.Marshal(m.calls)
	if err != nil {
		return nil, fmt.Errorf("ask the node: %w", err)
	}
	answer, err := p.post(ctx, body)
	if err != nil {
		return nil, err
	}
	var found []reply
	if err := json.Unmarshal(answer, &found); err != nil {
		return nil, fmt.Errorf("read the node's answer %s: %w", short(answer), err)
	}
	byID := make(map[string]reply, len(found))
	for _, r := range found {
		byID[string(r.ID)] = r
	}
	out := make([]reply, len(m.calls))
	for i := range m.calls {
		r, ok := byID[string(m.calls[i].ID)]
		if !ok {
			return nil, errors.New("the node left a call of a batch out")
		}
		out[i] = r
	}
	return out, nil
}

// ask answers a message as a node with the fault does. It tells of the fault if
// it has had one; a fault of the connection is left to the caller.
func (p *Proxy) ask(ctx context.Context, m *message, f Fault) ([]byte, error) {
	if len(m.calls) == 0 {
		return p.post(ctx, m.raw)
	}
	if f.Kind == Refused {
		e := refusals[f.of(len(refusals))]
		p.tell(f, fmt.Sprintf("%s: %s", m.about(), e.Message))
		return m.refuse(e), nil
	}
	own, changed, err := p.answerItself(ctx, m, f)
	if err != nil {
		return nil, err
	}
	if own == nil && !changes(f.Kind) {
		return p.post(ctx, m.raw)
	}
	replies, err := p.merge(ctx, m, own)
	if err != nil {
		return nil, err
	}
	if changed != nil {
		for i := range replies {
			if own[i] == nil {
				changed.after(ctx, p, &m.calls[i], &replies[i])
			}
		}
	}
	return m.encode(p.spoil(m, f, replies)), nil
}

// changes tells whether a fault is one of what is answered.
func changes(kind Kind) bool {
	switch kind {
	case Lagging, Doubled, Shuffled, Missing:
		return true
	default:
		return false
	}
}

// answerItself finds the calls that the node is not asked, by their places. If
// a replica answers, it is returned too.
func (p *Proxy) answerItself(ctx context.Context, m *message, f Fault) (map[int]*reply, *replica, error) {
	own := make(map[int]*reply)
	var lagging *replica
	if f.Kind == Lagging {
		head, err := p.head(ctx)
		if err != nil {
			return nil, nil, err
		}
		lagging = &replica{head: head - min(head, f.Behind)}
		p.tell(f, fmt.Sprintf("%s: as if the head were %d", m.about(), lagging.head))
	}
	for i := range m.calls {
		if r := p.instead(&m.calls[i], f, lagging); r != nil {
			own[i] = r
		}
	}
	if len(own) == 0 && lagging == nil {
		return nil, nil, nil
	}
	return own, lagging, nil
}

// instead is an answer that the node is not asked for, nil if there is none.
func (p *Proxy) instead(c *call, f Fault, lagging *replica) *reply {
	if from, to, ok := c.ranged(); ok {
		if e := p.tooWide(f, from, to); e != nil {
			failed := c.fail(*e)
			return &failed
		}
	}
	if lagging == nil {
		return nil
	}
	return lagging.before(c)
}

// tooWide is what a node says that takes no such range, nil if it does.
func (p *Proxy) tooWide(f Fault, from, to uint64) *rpcError {
	if e := p.limit.refuse(from, to); e != nil {
		return e
	}
	if f.Kind != TooMuch || to <= from {
		return nil
	}
	e := surfeits[f.of(len(surfeits))]
	p.tell(f, fmt.Sprintf("logs of %d to %d: %s", from, to, e.Message))
	return &e
}

func (p *Proxy) head(ctx context.Context) (uint64, error) {
	raw, err := p.result(ctx, "eth_blockNumber")
	if err != nil {
		return 0, err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, fmt.Errorf("read the head %s: %w", short(raw), err)
	}
	head, _ := quantity(text) // 0: then nothing lags
	return head, nil
}

// merge has the node answer what is not answered yet.
func (p *Proxy) merge(ctx context.Context, m *message, own map[int]*reply) ([]reply, error) {
	rest := message{batch: true}
	for i := range m.calls {
		if own[i] == nil {
			rest.calls = append(rest.calls, m.calls[i])
		}
	}
	var answers []reply
	if len(rest.calls) > 0 {
		var err error
		if answers, err = p.forward(ctx, &rest); err != nil {
			return nil, err
		}
	}
	out := make([]reply, len(m.calls))
	for i := range out {
		if own[i] != nil {
			out[i] = *own[i]
			continue
		}
		out[i], answers = answers[0], answers[1:]
	}
	return out, nil
}

// spoil doubles, moves or drops what is answered.
func (p *Proxy) spoil(m *message, f Fault, replies []reply) []reply {
	switch {
	case f.Kind == Doubled:
		if i, ok := doubleLog(replies, m.calls, f); ok {
			p.tell(f, "a log of "+m.calls[i].Method+" twice")
		} else if m.batch {
			i := f.of(len(replies))
			p.tell(f, m.about()+": an answer twice")
			return append(replies, replies[i])
		}
	case f.Kind == Shuffled && len(replies) > 1:
		p.tell(f, m.about())
		by := 1 + f.of(len(replies)-1)
		return append(append([]reply(nil), replies[by:]...), replies[:by]...)
	case f.Kind == Missing && m.batch && len(replies) > 1:
		i := f.of(len(replies))
		p.tell(f, m.about()+": without the answer to "+m.calls[i].Method)
		return append(append([]reply(nil), replies[:i]...), replies[i+1:]...)
	}
	return replies
}

// doubleLog repeats a log in an answer that has some.
func doubleLog(replies []reply, calls []call, f Fault) (int, bool) {
	for i := range replies {
		var logs []json.RawMessage
		if calls[i].Method != "eth_getLogs" || json.Unmarshal(replies[i].Result, &logs) != nil || len(logs) == 0 {
			continue
		}
		at := f.of(len(logs))
		logs = append(logs[:at+1], logs[at:]...)
		raw, err := json.Marshal(logs)
		if err != nil {
			continue
		}
		replies[i].Result = raw
		return i, true
	}
	return 0, false
}
