package chain

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/chain"
)

// Where the length of an answer is not told, it is cut off on the way.
func TestAnswerOfUnknownLengthIsCutOff(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		piece := bytes.Repeat([]byte("["), 1<<16)
		for range 1 << 14 { // a gigabyte
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := newHTTP(u, nil, time.Minute)
	defer c.close()
	c.longest = 1 << 20
	if _, err := c.exchange(t.Context(), []*chain.Query{{Method: "say"}}); !errors.Is(err, errTooLong) {
		t.Errorf("got %v, want %v", err, errTooLong)
	}
}
