package engine

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/penstock-io/penstock/sdk/remote"
)

// mostTaps is how many people may look at what flows at the same time, taps and
// recordings together.
const mostTaps = 16

// ErrTaps refuses a tap where as many are open as may be.
var ErrTaps = fmt.Errorf("%d taps and recordings of this host are open, which is as many as may be: end one of them", mostTaps)

// watcher sees the frames that a process says, one call at a time, before its
// consumers do. A frame is only lent.
type watcher interface {
	saw(p *process, f *remote.Frame)
}

// watchers are those of one process. Where there are none, a frame costs the
// load of a pointer.
type watchers struct{ list atomic.Pointer[[]watcher] }

// show has everybody who watches see a frame.
func (w *watchers) show(p *process, f *remote.Frame) {
	if list := w.list.Load(); list != nil {
		showAll(*list, p, f)
	}
}

func showAll(list []watcher, p *process, f *remote.Frame) {
	for _, one := range list {
		one.saw(p, f)
	}
}

func (w *watchers) count() int {
	if list := w.list.Load(); list != nil {
		return len(*list)
	}
	return 0
}

// watch has one more see the frames of a process.
func (e *Engine) watch(p *process, w watcher) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	open := 0
	for _, d := range e.domains {
		for _, other := range d.processes {
			open += other.watchers.count()
		}
	}
	if open >= mostTaps {
		return ErrTaps
	}
	var list []watcher
	if before := p.watchers.list.Load(); before != nil {
		list = slices.Clone(*before)
	}
	if isRecorder(w) && slices.ContainsFunc(list, isRecorder) {
		return &TapError{Message: fmt.Sprintf("step %q is being recorded already: wait until that has ended", p.spec().Step.Name)}
	}
	list = append(list, w)
	p.watchers.list.Store(&list)
	return nil
}

func isRecorder(w watcher) bool {
	_, is := w.(*Recorder)
	return is
}

// unwatch ends that. The watcher may still be seeing a frame.
func (e *Engine) unwatch(p *process, w watcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := p.watchers.list.Load()
	if before == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*before), func(other watcher) bool { return other == w })
	if len(list) == 0 {
		p.watchers.list.Store(nil)
		return
	}
	p.watchers.list.Store(&list)
}
