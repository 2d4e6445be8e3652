package everyone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"keeper/internal/control"
	"keeper/internal/core"
)

// State is how an account is, in a word.
type State string

// How an account can be.
const (
	Well State = "well"
	// NotKept: nobody asked keeper to look after it.
	NotKept State = "not kept"
	Ill     State = "ill"
	// StoodDown: keeper does nothing there, as somebody said.
	StoodDown State = "stands down"
	// Silent: its daemon does not answer.
	Silent State = "no daemon"
	// Unknown: it could not be asked, or did not answer as it should.
	Unknown State = "unknown"
)

// Answer is what is known of an account. All text in it is printable.
type Answer struct {
	User    string `json:"user"`
	UID     uint32 `json:"uid,omitempty"` // of one that does not exist there is none
	Lingers bool   `json:"lingers"`
	State   State  `json:"state"`
	// Error is why the state is unknown.
	Error string `json:"error,omitempty"`
	// Services are those that are to run, ServicesWell those of them that are well.
	Services     int               `json:"services"`
	ServicesWell int               `json:"services_well"`
	Daemon       string            `json:"daemon,omitempty"`
	Problems     []control.Problem `json:"problems,omitempty"`
	// Findings are what its doctor found to be mended; Examined says that it was asked.
	Examined bool      `json:"examined,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// How long an account has for an answer, and how many are asked at a time.
const (
	StatusLimit = 10 * time.Second
	DoctorLimit = time.Minute
	abreast     = 4
)

// Asker asks accounts.
type Asker struct {
	Host Host
	// Doctor has their doctors look as well.
	Doctor bool
	// Told, if it is set, hears how many were asked.
	Told func(done int)

	// put asks one; tests set it.
	put func(ctx context.Context, a Account, groups []uint32, limit time.Duration, args ...string) reply
}

// All asks all of them, and returns their answers in the same order.
func (k Asker) All(ctx context.Context, list []Account) []Answer {
	answers := make([]Answer, len(list))
	next := make(chan int)
	var wait sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range min(abreast, len(list)) {
		wait.Go(func() {
			for n := range next {
				answers[n] = k.one(ctx, list[n])
				mu.Lock()
				done++
				if k.Told != nil {
					k.Told(done)
				}
				mu.Unlock()
			}
		})
	}
	for n := range list {
		next <- n
	}
	close(next)
	wait.Wait()
	return answers
}

func (k Asker) one(ctx context.Context, a Account) Answer {
	ans := Answer{User: a.Name, UID: a.UID, Lingers: a.Lingers, State: Unknown}
	if a.Err != "" {
		ans.Error = clean(a.Err)
		return ans
	}
	groups, err := k.Host.groups(ctx, a)
	if err != nil {
		ans.Error = clean(err.Error())
		return ans
	}
	// 3: not all is well; 4: the daemon does not answer, and this is what it said last.
	data, err := k.answer(ctx, a, groups, StatusLimit, []int{0, 3, 4}, "status", "--json")
	if err == nil {
		var s status
		if s, err = readStatus(data, a); err == nil {
			ans.take(s)
		}
	}
	if err == nil && k.Doctor && ans.State != NotKept {
		if data, err = k.answer(ctx, a, groups, DoctorLimit, []int{0, 3}, "doctor", "--json"); err == nil {
			ans.Findings, err = readFindings(data, a)
			ans.Examined = err == nil
		}
	}
	if err != nil {
		ans.State, ans.Error = Unknown, clean(err.Error())
	}
	return ans
}

// take takes what the status says.
func (ans *Answer) take(s status) {
	switch {
	case s.NotKept:
		ans.State = NotKept
		return
	case s.Stale:
		ans.State = Silent
	case s.StandDown != nil:
		ans.State = StoodDown
	case s.Well:
		ans.State = Well
	default:
		ans.State = Ill
	}
	ans.Daemon, ans.Problems = s.Daemon.Release, s.Problems
	for _, v := range s.Services {
		if v.Desired == core.DesiredRun {
			ans.Services++
			if v.State == core.ServiceWell {
				ans.ServicesWell++
			}
		}
	}
}

// answer is what the command prints for the account.
func (k Asker) answer(ctx context.Context, a Account, groups []uint32, limit time.Duration, codes []int, args ...string) ([]byte, error) {
	put := k.put
	if put == nil {
		put = func(ctx context.Context, a Account, groups []uint32, limit time.Duration, args ...string) reply {
			return child{account: a, groups: groups, args: args, limit: limit, program: self}.ask(ctx)
		}
	}
	r := put(ctx, a, groups, limit, args...)
	if r.err != nil {
		return nil, r.err
	}
	for _, code := range codes {
		if r.code == code {
			return r.out, nil
		}
	}
	lines := strings.Split(string(bytes.TrimSpace(r.complaint)), "\n")
	if last := clean(lines[len(lines)-1]); last != "" {
		return nil, errors.New(last)
	}
	return nil, fmt.Errorf("keeper %s ended with exit code %d, and said nothing", strings.Join(args, " "), r.code)
}
