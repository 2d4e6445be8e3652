package control

import "sync"

// mostWatchers bounds how many may follow the state at a time.
const mostWatchers = 16

// Changes tells those who follow the state that it may have changed. The zero
// value is ready for use.
type Changes struct {
	mu       sync.Mutex
	watchers map[chan struct{}]struct{}
}

// Tell wakes all watchers. It never waits for one: who is busy is told once
// more when he is done, however often there was something to tell meanwhile.
func (c *Changes) Tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Watch returns a channel on which Tell is heard, until stop is called. It
// returns false if there are as many watchers as there may be.
func (c *Changes) Watch() (told <-chan struct{}, stop func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.watchers) >= mostWatchers {
		return nil, nil, false
	}
	if c.watchers == nil {
		c.watchers = map[chan struct{}]struct{}{}
	}
	w := make(chan struct{}, 1)
	c.watchers[w] = struct{}{}
	return w, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, w)
	}, true
}
