package remote

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// A connection that go-plugin made and forgot is closed. The test is inside of
// the package because go-plugin forgets only when it is killed in an instant
// that no test can hit.
func TestForgottenConnectionIsClosed(t *testing.T) {
	var c connections
	options := append(c.dialOptions(newChild(Config{}, t.TempDir())), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("passthrough:///unused", options...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{}, "/any/Stream"); err == nil {
		t.Error("a stream opens where nobody listens")
	}
	if c.lastRefusal() == nil {
		t.Error("it is not remembered why the connection failed")
	}
	c.close()
	if got := conn.GetState(); got != connectivity.Shutdown {
		t.Errorf("the connection is in state %s", got)
	}
}
