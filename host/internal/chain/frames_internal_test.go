package chain

import (
	"encoding/json"
	"testing"
)

// However a message comes in pieces, its end is found where it is.
func FuzzNesting(f *testing.F) {
	f.Add([]byte(`{"a":"}\"\\","b":[{"c":"\\\""}]}[1]`), 3)
	f.Add([]byte(`[[],"]",{}]`), 1)
	f.Add([]byte(`{"é\u0000":"\\\\\"x"}`), 2)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		var (
			n    nesting
			ends int
		)
		for to := 0; to < len(text) && ends == 0; {
			to = min(len(text), to+1+max(0, piece)%7)
			ends = n.end(text[:to])
		}
		var whole nesting
		if want := whole.end(text); ends != want {
			t.Fatalf("%q: in pieces it ends at %d, as a whole at %d", text, ends, want)
		}
		if len(text) > 0 && (text[0] == '{' || text[0] == '[') && json.Valid(text) {
			s := scanner{text: text}
			if value, err := s.value(); err != nil || len(value) != ends {
				t.Errorf("%q ends at %d, want %d", text, ends, len(value))
			}
		}
	})
}
