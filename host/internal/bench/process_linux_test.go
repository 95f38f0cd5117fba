package main

import (
	"os"
	"testing"
	"time"
)

// Counted twice, once as itself and once as any process, this one has used
// what it has worked.
func TestProcessorTime(t *testing.T) {
	before, err := cpuTime([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	used := before
	for begin := time.Now(); used-before < 100*time.Millisecond; {
		if used, err = cpuTime([]int{os.Getpid()}); err != nil {
			t.Fatal(err)
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("a minute of work was not counted")
		}
	}
}

func TestResident(t *testing.T) {
	got, err := resident(os.Getpid())
	if err != nil || got < megabyte || got > 1<<40 {
		t.Errorf("got %d bytes and %v, want what a test holds", got, err)
	}
}
