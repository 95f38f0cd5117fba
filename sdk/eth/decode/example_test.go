package decode_test

import (
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/sdk/eth/decode"
)

func ExampleDecoder_Logs() {
	d := decode.Decoder{ChainID: 1}
	logs, err := d.Logs([]byte(`[{"blockNumber":"0x10", "blockHash":"0x0000000000000000000000000000000000000000000000000000000000000001",
		"transactionHash":"0x0000000000000000000000000000000000000000000000000000000000000002", "transactionIndex":"0x0", "logIndex":"0x3",
		"address":"0x00000000000000000000000000000000000000aa", "topics":[], "data":"0x2a"}]`))
	fmt.Println(len(logs), logs[0].BlockNumber, logs[0].LogIndex, len(logs[0].Data), err)
	_, err = d.Block([]byte("null"))
	fmt.Println(errors.Is(err, decode.ErrNull))
	_, err = d.Quantity([]byte(`"0xzz"`))
	fmt.Println(err)
	// Output:
	// 1 16 3 1 <nil>
	// true
	// field result is "0xzz": not a number of 64 bits in hex
}
