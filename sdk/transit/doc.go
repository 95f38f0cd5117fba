// Package transit turns slices of Go structs into Arrow IPC record batches and back.
//
// A data type is a dotted name and an Arrow schema, both taken from a struct: its exported fields are the columns. A codec is
// compiled once per struct: reflection finds where every column lies, and a batch is then written or read by loops over
// columns, so that its cost is that of its rows.
//
//	type Transfer struct {
//		BlockNumber uint64
//		From, To    common.Address
//		Value       uint256.Int
//	}
//
//	func (Transfer) TransitType() string { return "token.transfer" }
//
// # Columns
//
// A column is named after its field in snake case (TxHash is tx_hash) or by a tag, `transit:"name"`; "-" leaves a field out, and so
// do fields that are not exported. Embedded structs are flattened unless a tag names them.
//
//	Go                              Arrow                           kind
//	bool                            bool
//	int8 to int64, int              int8 to int64, int64
//	uint8 to uint64, uint           uint8 to uint64, uint64
//	float32, float64                float32, float64
//	string                          utf8
//	[]byte                          binary
//	[N]byte                         fixed_size_binary[N]
//	common.Address                  fixed_size_binary[20]           address
//	common.Hash                     fixed_size_binary[32]           hash
//	uint256.Int                     fixed_size_binary[32]           uint256: big-endian
//	big.Int                         binary                          bigint: two's complement, big-endian, shortest form
//	time.Time                       timestamp[ns, UTC]              timestamp
//	[]T                             list of T
//	a struct                        struct
//	*T                              T, nullable; *big.Int too
//
// Types defined over these work alike. A type defined over [20]byte, [32]byte or [4]uint64 gets its kind by tag, because Go does not
// remember that it once was an address: `transit:",address"`, `transit:"name,hash"`, `transit:",uint256"`.
//
// Three values change on the way: an empty slice that is not nil arrives as nil, a time arrives in UTC without its monotonic
// reading, and the location of a time is lost. The zero time travels as the smallest timestamp, which other languages know as NaT.
//
// # Other languages
//
// Whatever Arrow library reads and writes IPC streams can stand at the other end. The schema bytes and the batches hold to the
// format's version 5, little-endian, buffers aligned to 8 bytes, not compressed, without dictionaries. The kind of a column stands in its
// field metadata under "penstock.kind". A producer may have more columns than a consumer reads, in any order.
package transit
