package chain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/examples/devchain/chain"
)

func TestTimesJumpAndNeverGoBack(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := start(t, chain.Config{Now: func() time.Time { return now }})
	client := dial(t, c.HTTPURL())
	before := mine(t, c, 1).Time
	var mined chain.Mined
	if err := client.Client().CallContext(t.Context(), &mined, "dev_mine", 3600); err != nil {
		t.Fatal(err)
	}
	jumped := c.Head()
	if jumped.Hash() != mined.Hash || jumped.Time != before+3601 {
		t.Errorf("time of the block that was mined an hour later: got %d, want %d", jumped.Time, before+3601)
	}
	if got := mine(t, c, 1).Time; got != jumped.Time+1 {
		t.Errorf("time of the block after it: got %d, want %d", got, jumped.Time+1)
	}
	if _, err := c.Reorg(t.Context(), 2); err != nil {
		t.Errorf("replace the block with the jump: %v", err)
	}
	err := client.Client().CallContext(t.Context(), nil, "dev_mine", 366*24*3600)
	if err == nil || !strings.Contains(err.Error(), "want 0 to 8760h0m0s") {
		t.Errorf("a jump of more than a year: got %v, want it refused", err)
	}
}
