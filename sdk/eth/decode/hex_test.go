package decode

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// Every byte at every place of digits of all lengths that are read in different steps.
func TestEveryByteAsADigit(t *testing.T) {
	const digits = "0123456789abcdefABCDEF9f0e1d2c3b4a5869788796a5b4c3d2e1f0fedcba9876543210"
	for size := 0; size <= 36; size++ {
		for place := range max(2*size, 1) {
			for c := range 256 {
				text := []byte(digits[:2*size])
				if size > 0 {
					text[place] = byte(c)
				}
				want, err := hex.DecodeString(string(text))
				got := make([]byte, size)
				if ok := decodeHex(got, text); ok != (err == nil) || ok && !bytes.Equal(got, want) {
					t.Fatalf("%q: got %x, %t, want %x, %v", text, got, ok, want, err)
				}
			}
		}
	}
}

// Names of all lengths, at the beginning and at the end of what is there to be read, with every byte at every place.
func TestEveryByteInAName(t *testing.T) {
	for size := range 20 {
		for place := range max(size, 1) {
			for c := range 256 {
				name := []byte(strings.Repeat("n", size))
				if size > 0 {
					name[place] = byte(c)
				}
				for _, rest := range []string{`":`, `":0}`, `":"a longer value"}`} {
					checkName(t, name, rest)
				}
			}
		}
	}
}

// checkName compares what a name and what follows is read as with encoding/json.
func checkName(t *testing.T, name []byte, rest string) {
	t.Helper()
	raw := append(append([]byte(`"`), name...), rest...)
	var s scanner
	s.reset(raw)
	got := s.name()
	var want string
	end := json.NewDecoder(bytes.NewReader(raw))
	token, err := end.Token()
	if err == nil {
		want = token.(string)
	}
	if (s.err == nil) != (err == nil) {
		t.Fatalf("%q: got %q, %v, want %q, %v", raw, got, s.err, want, err)
	}
	if err != nil {
		return
	}
	if s.pos != int(end.InputOffset()) || strings.ToValidUTF8(string(got), "�") != strings.ToValidUTF8(want, "�") {
		t.Fatalf("%q: got %q up to byte %d, want %q up to %d", raw, got, s.pos, want, end.InputOffset())
	}
}
