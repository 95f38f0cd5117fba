package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// What a request is, over the wire of hosts and a real connection.
func TestARequest(t *testing.T) {
	r := &receiver{}
	server := httptest.NewServer(r)
	defer server.Close()
	p := plugintest.Run(t, register())
	note := `a "note"`
	process := plugintest.Open(t, p, plugintest.Step{
		Register: "webhook", Start: startAt(t, 12, `swaps["a/b"]`),
		Settings: map[string]any{"url": server.URL + "/hook", "headers": map[string]string{"Authorization": "Bearer x"}},
	})
	plugintest.Send(process, "input", swap{BlockNumber: 1 << 60, Pair: common.Address{19: 1}, Amount: *new(uint256.Int).SetAllOne(), Note: &note}, swap{})
	process.Barrier(13)
	process.Until(plugintest.Barrier)
	process.HangUp()

	requests := r.take()
	if len(requests) != 1 {
		t.Fatalf("%d requests, want 1", len(requests))
	}
	got := requests[0]
	same(t, "method", got.method, "POST")
	// The digests are as sha256sum computes them of the texts of the rows.
	same(t, "key", got.key, "main/hook/swaps%5B%22a%2Fb%22%5D/12/cd29e48b0d8f6e2c63293b08626d6164/2")
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer x", "Penstock-Signature": "", "User-Agent": "penstock/" + sdk.Version,
	} {
		same(t, name, got.header.Get(name), want)
	}
	same(t, "body", string(got.body), `{"domain":"main","pipeline":"live","step":"hook","input":"swaps[\"a/b\"]","type":"test.swap","rows":[`+
		`{"key":"main/hook/swaps%5B%22a%2Fb%22%5D/12/65073c46372d14cca9d57cee363ca588","number":12,"row":{"block_number":1152921504606846976,"pair":"0x0000000000000000000000000000000000000001",`+
		`"amount":"115792089237316195423570985008687907853269984665640564039457584007913129639935","note":"a \"note\""}},`+
		`{"key":"main/hook/swaps%5B%22a%2Fb%22%5D/13/d6c419e04ce556784d13e801e0ca8427","number":13,"row":{"block_number":0,"pair":"0x0000000000000000000000000000000000000000","amount":"0","note":null}}]}`+"\n")
}

func TestRowsComeInOrderAndWithACommit(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 0, "a", "b"), func(w *webhook) { w.Rows = 3 })
	load(t, w, 0, 1, 2)
	if got := r.take(); got != nil {
		t.Errorf("rows were sent before there is a request full of them: %v", rows(got))
	}
	load(t, w, 0, 3, 4)
	load(t, w, 1, 5)
	commit(t, w, 0)
	load(t, w, 0, 6)
	commit(t, w, 9)
	load(t, w, 0, 7)
	commit(t, w, 0)
	commit(t, w, 0) // there is nothing left
	requests := r.take()
	same(t, "rows", rows(requests), []string{
		"main/hook/a/0=1", "main/hook/a/1=2", "main/hook/a/2=3",
		"main/hook/a/3=4", "main/hook/b/0=5", "main/hook/a/4=6", "main/hook/a/5=7",
	})
	var each []int
	for _, request := range requests {
		each = append(each, len(request.Rows))
	}
	same(t, "rows in each request", each, []int{3, 1, 1, 1, 1})
}

// A receiver can compute keys itself.
func TestKeysAreWhatTheDocSays(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 40, "a"), nil)
	load(t, w, 0, 1, 2, 2)
	commit(t, w, 0)
	request := r.take()[0]
	var digests []byte
	for i, row := range request.Rows {
		sum := sha256.Sum256(row.Row)
		digests = append(digests, sum[:16]...)
		same(t, "number", row.Number, uint64(40+i))
		same(t, "key", row.Key, fmt.Sprintf("main/hook/a/%d/%x", row.Number, sum[:16]))
	}
	sum := sha256.Sum256(digests)
	same(t, "key of the request", request.key, fmt.Sprintf("main/hook/a/40/%x/3", sum[:16]))
}

// Rows that come again after a crash have the keys that they had, wherever
// checkpoints were.
func TestKeysOfRowsThatComeAgain(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 0, "a", "b"), func(w *webhook) { w.Rows = 2 })
	load(t, w, 0, 1)
	load(t, w, 1, 5)
	commit(t, w, 4)
	r.take()
	load(t, w, 0, 2, 3, 4)
	commit(t, w, 5) // which the host did not live to record
	load(t, w, 1, 6, 6)
	commit(t, w, 0)
	before := keys(r.take())

	again := started(t, r, startAt(t, 1, "a", "b"), nil)
	load(t, again, 0, 2)
	load(t, again, 0, 3, 4)
	load(t, again, 1, 6)
	commit(t, again, 6)
	load(t, again, 1, 6)
	commit(t, again, 7)
	same(t, "keys", keys(r.take()), before)

	other := started(t, r, startAt(t, 1, "a", "b"), nil)
	load(t, other, 0, 2, 7, 3)
	load(t, other, 1, 6, 6)
	commit(t, other, 6)
	for i, key := range keys(r.take()) {
		if same := i != 1 && i != 2; (key == before[i]) != same {
			t.Errorf("row %d has the key %s and had %s in another chain", i, key, before[i])
		}
	}
}

// The key of a request is that of its rows, and of nothing else.
func TestKeysOfRequests(t *testing.T) {
	r := &receiver{}
	sent := func(before uint64, step string, blocks ...uint64) received {
		w := started(t, r, startAt(t, before, step), nil)
		load(t, w, 0, blocks...)
		commit(t, w, before)
		return r.take()[0]
	}
	first := sent(7, "a", 1, 2, 3)
	w := started(t, r, startAt(t, 5, "a"), nil) // another process, which begins elsewhere
	load(t, w, 0, 8, 8)
	commit(t, w, 0)
	load(t, w, 0, 1, 2)
	load(t, w, 0, 3)
	commit(t, w, 3)
	again := r.take()[1]
	same(t, "key", again.key, first.key)
	same(t, "body", string(again.body), string(first.body))
	same(t, "generations", []string{first.header.Get("Penstock-Generation"), again.header.Get("Penstock-Generation")}, []string{"1700000008", "1700000006"})
	for name, other := range map[string]received{
		"fewer rows": sent(7, "a", 1, 2), "more rows": sent(7, "a", 1, 2, 3, 4), "another row": sent(7, "a", 1, 4, 3),
		"another order": sent(7, "a", 1, 3, 2), "other numbers": sent(8, "a", 1, 2, 3), "another step": sent(7, "b", 1, 2, 3),
	} {
		if other.key == first.key {
			t.Errorf("%s: the key is %s, too", name, other.key)
		}
	}
}

// What a receiver does that keeps rows by number is enough to undo
// reorganisations, wherever processes go on and whoever notices.
func TestReceiversCanUndoReorganisations(t *testing.T) {
	r := &receiver{}
	var kept []row
	run := func(before uint64, blocks ...uint64) {
		w := started(t, r, startAt(t, before, "a"), nil)
		load(t, w, 0, blocks...)
		commit(t, w, 0)
		for _, request := range r.take() {
			for _, row := range request.Rows {
				if row.Number < uint64(len(kept)) {
					if kept[row.Number].Key == row.Key {
						continue
					}
					kept = kept[:row.Number]
				}
				kept = append(kept, row)
			}
		}
	}
	holds := func(want ...uint64) {
		t.Helper()
		var blocks []uint64
		for _, row := range kept {
			blocks = append(blocks, row.block())
		}
		same(t, "blocks", blocks, want)
	}
	run(0, 1, 2, 3, 4, 5)
	run(2, 3, 4) // a crash
	holds(1, 2, 3, 4, 5)
	run(1, 2, 3, 14) // a reorganisation
	holds(1, 2, 3, 14)
	run(3, 4, 5) // and back
	holds(1, 2, 3, 4, 5)
	run(3, 5, 5, 6) // block 4 has lost its row
	holds(1, 2, 3, 5, 5, 6)
	run(0, 1, 2, 3) // anew
	holds(1, 2, 3, 5, 5, 6)
	run(0, 2)
	holds(2)
}

func TestHugeBatchesAreSplit(t *testing.T) {
	r := &receiver{}
	w := started(t, r, startAt(t, 0, "a"), func(w *webhook) { w.Rows = 1000 })
	long := strings.Repeat("x", 100_000)
	all := make([]swap, 25)
	for i := range all {
		all[i] = swap{BlockNumber: uint64(i), Note: &long}
	}
	larger := strings.Repeat("y", 2*(1<<20))
	all[7].Note = &larger
	if err := w.Load(t.Context(), 0, plugintest.Batch(t, all...)); err != nil {
		t.Fatal(err)
	}
	load(t, w, 0, make([]uint64, 2500)...)
	commit(t, w, 1)
	requests := r.take()
	same(t, "number of rows", len(rows(requests)), 2525)
	for _, request := range requests {
		if n := len(request.Rows); n > 1000 || len(request.body) > (1<<20)+1000 && n > 1 {
			t.Errorf("a request has %d rows and %d bytes", n, len(request.body))
		}
	}
}

func TestTheSignatureVerifies(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	w := started(t, r, startAt(t, 0, "a"), func(w *webhook) {
		w.Secret, w.SigningKey = "whisper", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	})
	load(t, w, 0, 1)
	commit(t, w, 0)
	got := r.take()[0]
	timestamp := got.header.Get("Penstock-Timestamp")
	first, second, _ := strings.Cut(got.header.Get("Penstock-Signature"), ",")
	same(t, "signature", first, "sha256="+authenticate([]byte("whisper"), timestamp, got.body))
	signature, err := hex.DecodeString(strings.TrimPrefix(second, "ed25519="))
	if err != nil || !ed25519.Verify(public, append([]byte(timestamp+"."), got.body...), signature) {
		t.Errorf("%s does not verify: %v", second, err)
	}
	// As openssl computes it: printf '1700000000.{}' | openssl dgst -sha256 -hmac whisper
	same(t, "signature of what is known", signer{secret: []byte("whisper")}.sign("1700000000", []byte("{}")), "sha256=0e1a9dd88d1b68f0aecc922471acff6f7d404fdef7a6b0635f0bbab09105795c")
	for _, other := range []string{
		authenticate([]byte("shout"), timestamp, got.body), authenticate([]byte("whisper"), timestamp+"1", got.body), authenticate([]byte("whisper"), timestamp, got.body[1:]),
	} {
		if "sha256="+other == first {
			t.Errorf("%s is the signature of something else, too", other)
		}
	}
}

// The receiver of the documentation, in Python, knows who a request is from.
func TestTheSignatureVerifiesAsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/loaders.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(doc)
	if code == nil {
		t.Fatal("there is no Python in the documentation")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no Python")
	}
	timestamp, body := strconv.FormatInt(time.Now().Unix(), 10), []byte(`{"rows":[]}`+"\n")
	old := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	s := signer{secret: []byte("whisper")}
	for _, tt := range []struct{ timestamp, signature, body, want string }{
		{timestamp, s.sign(timestamp, body), string(body), "True"},
		{timestamp, s.sign(timestamp, body) + ",ed25519=00", string(body), "True"},
		{timestamp, s.sign(timestamp, body), "{}", "False"},
		{timestamp, signer{secret: []byte("shout")}.sign(timestamp, body), string(body), "False"},
		{old, s.sign(old, body), string(body), "False"},
		{"", "", string(body), "False"},
	} {
		call := "\nimport sys\nprint(is_ours(b'whisper', {'Penstock-Timestamp': sys.argv[1], 'Penstock-Signature': sys.argv[2]}, sys.argv[3].encode()))"
		out, err := exec.CommandContext(t.Context(), "python3", "-c", string(code[1])+call, tt.timestamp, tt.signature, tt.body).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		same(t, "answer", strings.TrimSpace(string(out)), tt.want)
	}
}

func TestMistakes(t *testing.T) {
	p := plugintest.Run(t, register())
	for settings, want := range map[string]string{
		`{}`:                                                                "url: is required",
		`{"url": "hook"}`:                                                   "url is no address of a web server",
		`{"url": "ftp://a/b"}`:                                              "url is no address of a web server",
		`{"url": "https:///b"}`:                                             "url is no address of a web server",
		`{"url": "https://a", "method": "GET"}`:                             `method is "GET": write POST, PUT or PATCH`,
		`{"url": "https://a", "timeout": "0s"}`:                             "timeout is 0s",
		`{"url": "https://a", "batch": 0}`:                                  "batch is 0: write a number from 1 to 10000",
		`{"url": "https://a", "batch": 10001}`:                              "batch is 10001",
		`{"url": "https://a", "concurrency": 0}`:                            "concurrency is 0",
		`{"url": "https://a", "signing_key": "x"}`:                          "signing_key is no PEM",
		`{"url": "https://a", "outbox": {"path": ""}}`:                      "outbox: path is empty",
		`{"url": "https://a", "outbox": {"path": "a", "size": "1KiB"}}`:     "outbox: size is 1KiB",
		`{"url": "https://a", "give_up_after": "-1s"}`:                      "give_up_after is -1s",
		`{"url": "https://a", "headers": {"a b": "x"}}`:                     `"a b" is no name of a header`,
		`{"url": "https://a", "headers": {"idempotency-key": "x"}}`:         "Idempotency-Key is set by the loader itself",
		`{"url": "https://a", "headers": {"Penstock-Generation": "1"}}`:     "Penstock-Generation is set by the loader itself",
		`{"url": "https://a", "headers": {"Authorization": "s3cret\r\nX"}}`: "the value of Authorization has a line break",
	} {
		got := plugintest.Mistakes(t, p, "webhook", settings)
		if len(got) != 1 || !strings.Contains(got[0], want) || strings.Contains(got[0], "s3cret") {
			t.Errorf("%s: got %q, want %q", settings, got, want)
		}
	}
	if got := plugintest.Mistakes(t, p, "webhook", `{"url": "https://a.test:8443/b?c=d", "method": "PUT", "give_up_after": "0s", "headers": {"X-Api-Key": "ü"}}`); got != nil {
		t.Errorf("good settings are refused: %q", got)
	}
}
