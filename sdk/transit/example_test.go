package transit_test

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/transit"
)

// Transfer is what a producer writes.
type Transfer struct {
	BlockNumber uint64
	From, To    common.Address
	Value       uint256.Int
	Memo        *string
}

func (Transfer) TransitType() string { return "token.transfer" }

// Payment is what a consumer reads of a transfer.
type Payment struct {
	Value uint256.Int
	To    common.Address
}

func (Payment) TransitType() string { return "token.transfer" }

func Example() {
	encoder, err := transit.NewEncoder[Transfer]()
	if err != nil {
		fmt.Println(err)
		return
	}
	schema := encoder.Type().MarshalSchema() // once
	batch, err := encoder.Append(nil, []Transfer{
		{BlockNumber: 1, To: common.HexToAddress("0x1111111111111111111111111111111111111111"), Value: *uint256.NewInt(5)},
		{BlockNumber: 2, To: common.HexToAddress("0x2222222222222222222222222222222222222222"), Value: *uint256.NewInt(7)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	producer, err := transit.ParseType("token.transfer", schema)
	if err != nil {
		fmt.Println(err)
		return
	}
	decoder, err := transit.NewDecoder[Payment](producer)
	if err != nil {
		fmt.Println(err)
		return
	}
	payments, err := decoder.Append(nil, batch)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range payments {
		fmt.Println(p.To, p.Value.Dec())
	}
	// Output:
	// 0x1111111111111111111111111111111111111111 5
	// 0x2222222222222222222222222222222222222222 7
}

func ExampleTypeOf() {
	t, err := transit.TypeOf[Transfer]()
	fmt.Println(t, err)
	// Output:
	// token.transfer{block_number uint64, from address, to address, value uint256, memo? string} <nil>
}

func ExampleType_Fits() {
	offered, _ := transit.TypeOf[Payment]()
	wanted, _ := transit.TypeOf[Transfer]()
	fmt.Println(offered.Fits(wanted))
	// Output:
	// token.transfer does not fit: 3 columns differ
	//     column        wanted   offered
	//   ! block_number  uint64   -        missing
	//   ! from          address  -        missing
	//     to            address  address
	//     value         uint256  uint256
	//   ! memo          string?  -        missing
}

func ExampleDecodeBatch() {
	encoder, _ := transit.NewEncoder[Payment]()
	message, _ := encoder.Append(nil, []Payment{{Value: *uint256.NewInt(5)}})
	batch, err := transit.DecodeBatch(encoder.Type(), message)
	if err != nil {
		fmt.Println(err)
		return
	}
	for col, field := range batch.Type.Schema.Fields() {
		fmt.Println(field.Name, batch.Text(col, 0))
	}
	// Output:
	// value 5
	// to 0x0000000000000000000000000000000000000000
}
