package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk/plugintest"
	"github.com/penstock-io/penstock/sdk/render"
	"github.com/penstock-io/penstock/sdk/transit"
)

// hostile is what a contract can put into a string.
var hostile = []string{
	"\x1b[2J\x1b]0;owned\x07", "a\nb\rc\td\be\x00f", "del\x7f", "\u009b31mcsi", "bad\xff\xfeutf8\xc3", "right\u202eleft\u2066",
	"line\u2028sep\u2029", "zero\u200bwidth\ufeff", "tag\U000e0041", "private\ue000\U0010ffff", "soft\u00adhyphen",
}

// checkHarmless fails the test where a terminal would find more to do than to
// show characters and begin a line.
func checkHarmless(t *testing.T, got []byte) {
	t.Helper()
	for i, r := range string(got) {
		if r != '\n' && !printable(r) || r == '\ufffd' && !bytes.HasPrefix(got[i:], []byte("\ufffd")) {
			t.Fatalf("%U at %d reaches the terminal: %q", r, i, got)
		}
	}
}

// printable is a list of its own, so as not to repeat what it checks.
func printable(r rune) bool {
	switch {
	case r < 0x20, 0x7f <= r && r < 0xa0, r == 0xad, 0x200b <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202e, 0x2060 <= r && r <= 0x206f,
		r == 0xfeff, 0xe000 <= r && r <= 0xf8ff, r >= 0xe0000:
		return false
	}
	return true
}

type text struct {
	Text   string
	Texts  []string
	Nested struct{ Text string }
}

func (text) TransitType() string { return "test.text" }

// smuggled is a batch of a row whose bytes that are not UTF-8 no encoder of ours
// would let pass.
func smuggled(t *testing.T, words string) transit.Batch {
	t.Helper()
	placeholder := strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '?'
		}
		return r
	}, words)
	row := text{Text: placeholder, Texts: []string{placeholder}}
	row.Nested.Text = placeholder
	e, err := transit.NewEncoder[text]()
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Append(nil, []text{row})
	if err != nil {
		t.Fatal(err)
	}
	b, err := transit.DecodeBatch(e.Type(), bytes.ReplaceAll(body, []byte(placeholder), []byte(words)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileTextIsShownNotObeyed(t *testing.T) {
	for _, format := range []string{"table", "json"} {
		for _, words := range hostile {
			s := newScreen()
			c := s.opened(t, console{Format: format, Limit: all()}, plugintest.WireFrom[text](t, "texts\x1b[2J", "input"))
			if err := c.Load(t.Context(), 0, smuggled(t, words)); err != nil {
				t.Fatal(err)
			}
			checkHarmless(t, s.Bytes())
			lines := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
			if format == "table" {
				if len(lines) != 2 {
					t.Errorf("%q makes %d lines, want a header and a row:\n%s", words, len(lines), s)
				}
				continue
			}
			var object struct {
				Text   string
				Texts  []string
				Nested struct{ Text string }
			}
			if err := json.Unmarshal(s.Bytes(), &object); err != nil || len(lines) != 1 {
				t.Fatalf("%d lines, %v: %s", len(lines), err, s)
			}
			want := valid(words)
			if object.Text != want || object.Texts[0] != want || object.Nested.Text != want {
				t.Errorf("read back %+q, want %+q", object, want)
			}
		}
	}
}

// valid has a replacement character for each byte that is not UTF-8.
func valid(words string) string { return strings.Map(func(r rune) rune { return r }, words) }

func FuzzNothingHarmfulIsPrinted(f *testing.F) {
	for _, words := range hostile {
		f.Add(words)
	}
	f.Fuzz(func(t *testing.T, words string) {
		checkHarmless(t, []byte(legible(words)))
		if got := legible(words); widthOf(got) > widest {
			t.Errorf("%q is %d wide", got, widthOf(got))
		}
		quoted := render.AppendString(nil, words)
		checkHarmless(t, quoted)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%v: %s", err, quoted)
		}
		if want := valid(words); back != want {
			t.Errorf("read back %q, want %q", back, want)
		}
	})
}
