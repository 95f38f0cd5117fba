package registry

// ProcessType is what a process does. Its numbers are part of every PID: they
// are frozen, and none is ever used again for something else.
type ProcessType uint8

// The process types.
const (
	Reader     ProcessType = 1 // collects from a third party
	Subscriber ProcessType = 2 // transforms one stream
	Aggregator ProcessType = 3 // joins several streams
	Loader     ProcessType = 4 // ends a path
)

// String returns the word that a pipeline uses.
func (t ProcessType) String() string {
	switch t {
	case Reader:
		return "reader"
	case Subscriber:
		return "subscriber"
	case Aggregator:
		return "aggregator"
	case Loader:
		return "loader"
	}
	return "unknown"
}

// article is the word that stands before the type in a sentence.
func (t ProcessType) article() string {
	if t == Aggregator {
		return "an"
	}
	return "a"
}

// ParseProcessType is the inverse of String.
func ParseProcessType(word string) (ProcessType, bool) {
	for t := Reader; t <= Loader; t++ {
		if t.String() == word {
			return t, true
		}
	}
	return 0, false
}

// PathType says whether a path follows the head of the chain. Its numbers are
// frozen as those of ProcessType are.
type PathType uint8

// The path types.
const (
	Live     PathType = 1 // goes on for ever
	Backtest PathType = 2 // from one height to another, then it ends
)

// String returns the name of the path type.
func (t PathType) String() string {
	switch t {
	case Live:
		return "live"
	case Backtest:
		return "backtest"
	}
	return "unknown"
}

// Layer is the layer of a network. Its numbers are frozen as those of
// ProcessType are.
type Layer uint8

// The layers.
const (
	Layer1 Layer = 1
	Layer2 Layer = 2
)

// String returns the name of the layer.
func (l Layer) String() string {
	switch l {
	case Layer1:
		return "layer1"
	case Layer2:
		return "layer2"
	}
	return "unknown"
}
