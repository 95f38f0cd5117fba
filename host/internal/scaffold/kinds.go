package scaffold

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// goVersion is what the SDK needs.
const goVersion = "1.26.0"

//go:embed requirements.txt
var requirements string

//go:embed sums.txt
var sums string

// kind is one of the four that plugins are of.
type kind struct {
	name     string
	about    string   // what the plugin of the template does
	settings string   // a table of its settings
	more     string   // what else main.go has beside it
	direct   []string // modules that it imports itself, beside the SDK
	test     string   // what the conformance suite needs to be told
}

var kinds = []kind{
	{
		name: "subscriber",
		about: "A Penstock subscriber that finds transfers of ERC-20 tokens in logs (`eth.log`), and numbers those of each token. The numbers are its state: they\n" +
			"go on where they were after a crash, a restart, a swap and a reorganisation.",
		settings: table(
			"tokens", "list(string)", "all", "only transfers of these tokens",
			"at_least", "number", "0", "only transfers of so much, in the token's smallest unit",
		),
		direct: []string{"github.com/ethereum/go-ethereum", "github.com/google/go-cmp", "github.com/holiman/uint256"},
	},
	{
		name: "reader",
		about: "A Penstock reader that asks a node, over JSON-RPC, what each block costs: its base fee, and how full it is. It begins where the host wants it to,\n" +
			"follows the head, and finds reorganisations.",
		settings: table(
			"poll", "string", "500ms", "how often to ask for new blocks",
			"timeout", "string", "10s", "how long to wait for an answer",
		),
		more:   ", [`node.go`](node.go) what it knows of nodes",
		direct: []string{"github.com/ethereum/go-ethereum", "github.com/google/go-cmp", "github.com/holiman/uint256"},
		test:   "--devchain ",
	},
	{
		name: "aggregator",
		about: "A Penstock aggregator that joins blocks (`eth.block`) with their logs (`eth.log`), and tells how much went on in each. The total is its state: it\n" +
			"goes on where it was after a crash, a restart, a swap and a reorganisation.",
		settings: table("at_least", "number", "0", "only spans with so many logs"),
		direct:   []string{"github.com/ethereum/go-ethereum", "github.com/google/go-cmp"},
	},
	{
		name: "loader",
		about: "A Penstock loader that keeps blocks (`eth.block`) in a file, one line each, every block once and in order: whoever begins at a checkpoint cuts off\n" +
			"what came after it.",
		settings: table("path", "string", "required", "the file; it is made if it is not there, its directory is not"),
		more:     ", [`book.go`](book.go) what it knows of its file",
		direct:   []string{"github.com/ethereum/go-ethereum", "github.com/gofrs/flock", "github.com/google/go-cmp"},
	},
}

func kindOf(name string) (kind, error) {
	for _, k := range kinds {
		if k.name == name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("there is no kind %q of plugins: it is one of %s", name, strings.Join(Kinds(), ", "))
}

// table is a table of settings, four cells each.
func table(cells ...string) string {
	var b strings.Builder
	b.WriteString("| setting | type | default | |\n|---|---|---|---|\n")
	for row := range slices.Chunk(cells, 4) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row[0], row[1], row[2], row[3])
	}
	return b.String()
}

// commands are what somebody types who wants to see the plugin work.
func (k kind) commands(name string) []string {
	return []string{
		"go test ./...",
		"go build -o bin/" + name + " .",
		"penstock plugin test " + k.test + "bin/" + name,
		"penstock run --devchain",
	}
}

// requirements are the modules that go.mod names: those that the plugin imports,
// and those that they need.
func (k kind) requirements(sdk string) (direct, indirect []string) {
	direct = []string{sdkModule + " " + sdk}
	for line := range strings.Lines(requirements) {
		line = strings.TrimSpace(line)
		module, _, _ := strings.Cut(line, " ")
		switch {
		case slices.Contains(k.direct, module):
			direct = append(direct, line)
		case !optional(module):
			indirect = append(indirect, line)
		}
	}
	slices.Sort(direct)
	return direct, indirect
}

// sums is go.sum: the checksums of what the SDK and this kind need.
func (k kind) sums() []byte {
	var b strings.Builder
	for line := range strings.Lines(sums) {
		module, _, _ := strings.Cut(line, " ")
		if !optional(module) || slices.Contains(k.direct, module) {
			b.WriteString(line)
		}
	}
	return []byte(b.String())
}

// optional tells the modules that the SDK does not need.
func optional(module string) bool { return module == "github.com/gofrs/flock" }
