package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// tick is the unit of processor time in /proc, the same on every machine that
// Go runs on.
const tick = 10 * time.Millisecond

// cpuTime is the processor time that this process and others have used so far.
func cpuTime(pids []int) (time.Duration, error) {
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return 0, fmt.Errorf("read the processor time: %w", err)
	}
	sum := time.Duration(self.Utime.Nano() + self.Stime.Nano())
	for _, pid := range pids {
		used, err := cpuTimeOf(pid)
		if err != nil {
			return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
		}
		sum += used
	}
	return sum, nil
}

// cpuTimeOfChildren is the processor time that this process, and those of its
// children that have ended, have used so far.
func cpuTimeOfChildren() (time.Duration, error) {
	own, err := cpuTime(nil)
	if err != nil {
		return 0, err
	}
	var ended syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ended); err != nil {
		return 0, fmt.Errorf("read the processor time of children: %w", err)
	}
	return own + time.Duration(ended.Utime.Nano()+ended.Stime.Nano()), nil
}

func cpuTimeOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name of the program is in brackets and may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12
	var ticks int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// resident is what a process holds in memory, in bytes.
func resident(pid int) (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(statm)[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}
