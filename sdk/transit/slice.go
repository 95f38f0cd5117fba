package transit

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// Slice takes rows from one record batch message of the given type and returns
// a message with only those: from is the first row, to the one after the last.
// body is not changed, and the result shares nothing with it. It is for rows
// that need attention one by one, and not fast.
func Slice(t Type, body []byte, from, to int) ([]byte, error) {
	b, err := DecodeBatch(t, body)
	if err != nil {
		return nil, err
	}
	if rows := int(b.Record.NumRows()); from < 0 || to < from || to > rows {
		return nil, fmt.Errorf("transit: slice rows %d to %d of a batch of %d", from, to, rows)
	}
	payload, err := ipc.GetRecordBatchPayload(b.Record.NewSlice(int64(from), int64(to)))
	if err != nil {
		return nil, fmt.Errorf("transit: slice a batch of %s: %w", t.Name, err)
	}
	defer payload.Release()
	var out bytes.Buffer
	if _, err := payload.WritePayload(&out); err != nil {
		return nil, fmt.Errorf("transit: slice a batch of %s: %w", t.Name, err)
	}
	return out.Bytes(), nil
}
