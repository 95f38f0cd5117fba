// Command websocket serves rows to web pages and bots: whoever connects and
// subscribes to a channel is sent what arrives there, as JSON. docs/websocket.md
// has the protocol.
//
// # Who is sent what
//
// Every step that is read is a channel. The messages of a channel stand in its
// log, once for all clients: a client is a place in the log and a connection, so
// that thousands of them cost little, and one that does not read costs nothing
// but its place. The log is bounded. A client that has fallen behind its
// beginning is told so and dropped; nothing ever waits for one.
//
// # What happens when the pipeline goes back
//
// A rewind closes this loader and opens it again, often because of something
// that clients need not know. So the server, its connections and its logs outlive
// the loader for a moment, in the house, and the next one goes on with them. Rows
// that come again as they were are recognised and not sent again. Where others
// come, or the chain has reorganised, clients are told to drop what is not true
// any more.
//
// A client that was away says which rows it has and which generation told it of
// them. What has been taken back since is kept with the checkpoints, so that it
// can be told also after the plugin has died.
package main

import (
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
)

func main() { sdk.Serve(register(newHouse(5 * time.Second))) }

func register(h *house) sdk.Register {
	return sdk.BatchLoader("websocket", defaults(h)).
		Doc("Serves rows to web pages and bots over WebSocket: subscribe to a channel and get what arrives there, at least once, each row with a key that stays the same.").
		Network()
}

func defaults(h *house) *loader {
	return &loader{
		server:  server{Path: "/", MaxClients: 500, Ping: 20 * time.Second, Timeout: 10 * time.Second},
		History: 1000, Buffer: 16 << 20, Limits: gather.Default(), house: h,
	}
}
