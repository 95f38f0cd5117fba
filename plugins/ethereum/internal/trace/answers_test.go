package trace_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// answers is a node that answers each method with one text, and calls that it does not know with a timeout.
func answers(t *testing.T, of map[string]string) http.Handler {
	t.Helper()
	type call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var calls []call
		if err := json.NewDecoder(r.Body).Decode(&calls); err != nil {
			t.Error(err)
		}
		out := []map[string]any{}
		for _, c := range calls {
			answer := map[string]any{"jsonrpc": "2.0", "id": c.ID, "result": json.RawMessage(of[c.Method])}
			if of[c.Method] == "" {
				delete(answer, "result")
				answer["error"] = map[string]any{"code": -32000, "message": "execution timeout"}
			}
			out = append(out, answer)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			t.Error(err)
		}
	})
}
