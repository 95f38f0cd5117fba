package chain

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// batchOf is a batch of answers, too long to be gone through without need.
func batchOf(answers ...string) []byte { return []byte("[" + strings.Join(answers, ",") + "]") }

// block is a long result.
func block(number int) string {
	return fmt.Sprintf(`{"number":"0x%x","text":"a \"jsonrpc\" ] } \\","rows":[%s]}`, number, strings.TrimSuffix(strings.Repeat(`{"id":7,"data":"0x00"},`, 2000), ","))
}

func answers(n int, layout string) (all []string) {
	for i := range n {
		all = append(all, strings.NewReplacer("ID", fmt.Sprint(i+1), "RESULT", block(i)).Replace(layout))
	}
	return all
}

// gone is the answers in a batch as they are found by going through all of it.
func gone(t *testing.T, body []byte) (all []envelope) {
	t.Helper()
	s := scanner{text: body}
	if err := s.elements(func() error {
		e, _, err := s.envelope()
		all = append(all, e)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnswersThatLookAlike(t *testing.T) {
	const first, last = `{"jsonrpc":"2.0","id":ID,"result":RESULT}`, `{"jsonrpc":"2.0","result":RESULT,"id":ID}`
	with := func(layout string, at int, other string) []byte {
		all := answers(4, layout)
		all[at] = other
		return batchOf(all...)
	}
	cases := []struct {
		name    string
		body    []byte
		certain bool
	}{
		{"id first", batchOf(answers(4, first)...), true},
		{"id last", batchOf(answers(4, last)...), true},
		{"white space around", append([]byte(" \n"), append(batchOf(answers(4, first)...), "\r\n "...)...), true},
		{"lists", batchOf(answers(4, `{"jsonrpc":"2.0","id":"ID","result":[RESULT]}`)...), true},
		{"an error among them", with(first, 2, `{"jsonrpc":"2.0","id":3,"error":{"code":3,"message":"}]"}}`), true},
		{"an error first", with(first, 0, `{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"no"}}`), false},
		{"null among them", with(last, 2, `{"jsonrpc":"2.0","result":null,"id":3}`), true},
		{"a word among them", with(first, 2, `{"jsonrpc":"2.0","id":3,"result":"a\"b\\"}`), true},
		{"another order among them", with(first, 2, `{"jsonrpc":"2.0","result":{"a":1},"id":3}`), false},
		{"the other order among them", with(last, 2, `{"jsonrpc":"2.0","id":3,"result":{"a":1}}`), false},
		{"an answer in an answer", with(first, 2, `{"jsonrpc":"2.0","id":3,"result":[{"jsonrpc":"2.0","id":1,"result":1}]}`), false},
		{"more behind the results", batchOf(answers(4, `{"jsonrpc":"2.0","id":ID,"result":RESULT,"usage":{"a":1}}`)...), false},
		{"white space between", []byte(strings.ReplaceAll(string(batchOf(answers(4, first)...)), "},{\"jsonrpc", "},\n{\"jsonrpc")), false},
		{"white space at the end of each", batchOf(answers(4, `{"jsonrpc":"2.0","id":ID,"result":RESULT }`)...), false},
		{"another first member", batchOf(answers(4, `{"id":ID,"jsonrpc":"2.0","result":RESULT}`)...), false},
		{"one less", batchOf(answers(3, first)...), false},
		{"one more", batchOf(answers(5, first)...), false},
		{"short", []byte(`[{"jsonrpc":"2.0","id":1,"result":1},{"jsonrpc":"2.0","id":2,"result":1},{"jsonrpc":"2.0","id":3,"result":1},{"jsonrpc":"2.0","id":4,"result":1}]`), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := scanner{text: c.body}
			s.peek()
			got, certain := s.alike(4)
			if certain != c.certain {
				t.Errorf("certain: %t, want %t", certain, c.certain)
			}
			if !certain {
				s := scanner{text: c.body}
				var err error
				if got, err = s.envelopes(4); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(gone(t, c.body), got, cmp.AllowUnexported(envelope{}), cmp.Comparer(bytes.Equal)); diff != "" {
				t.Errorf("-gone through +found:\n%.2000s", diff)
			}
		})
	}
}

// What was cut short is no batch of answers that look alike, wherever it was cut.
func TestAnswersThatLookAlikeAreWhole(t *testing.T) {
	whole := batchOf(answers(3, `{"jsonrpc":"2.0","id":ID,"result":RESULT}`)...)
	for _, cut := range []int{len(whole) - 1, len(whole) - 2, len(whole) - 3, len(whole) - 30_000, longBatch, longBatch + 1} {
		s := scanner{text: whole[:cut]}
		if all, err := s.envelopes(3); err == nil {
			t.Errorf("the first %d of %d bytes were taken for %d answers", cut, len(whole), len(all))
		}
	}
}
