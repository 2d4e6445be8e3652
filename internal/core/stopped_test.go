package core

import (
	"maps"
	"testing"
	"time"
)

// job is a stop job with its number.
func job(name string, id uint32) step {
	return step{e: StopAsked{Name: name + ".service", Job: id}}
}

// What a stop takes along comes back with what it was for, in whatever order
// systemd tells of the jobs.
func TestStoppedAlong(t *testing.T) {
	db, web, worker := svc("db", "active"), goingWith(svc("web", "active"), "db"), goingWith(svc("worker", "active"), "db", "web")
	down := func(u Unit) step {
		u.Active, u.Sub = "inactive", "dead"
		return step{e: UnitSeen{u}, want: "look-units"}
	}
	up := func(u Unit, want string) step { return step{e: UnitSeen{life("2", u)}, want: want} }
	all := watching(db, web, worker)
	back := up(db, "start-units")
	back.reason = "web: it was stopped with db, which is up again; worker: it was stopped with db, which is up again"
	begin := func(jobs ...step) []step { return chain(all, jobs, []step{down(worker), down(web), down(db)}) }
	kept := Began{Kind: LifeSame, Stops: map[string]string{"db.service": "1", "web.service": "1", "worker.service": "1"},
		With: map[string]string{"web.service": "db.service", "worker.service": "db.service"}}
	inactive := func(u Unit) Unit { return with(u, func(u *Unit) { u.Active, u.Sub = "inactive", "dead" }) }
	tell(t, map[string]tale{
		"the cause first":                          {steps: chain(begin(job("db", 5), job("web", 6), job("worker", 7)), []step{back})},
		"the cause last":                           {steps: chain(begin(job("worker", 7), job("web", 6), job("db", 5)), []step{back})},
		"the cause in between":                     {steps: chain(begin(job("worker", 7), job("db", 5), job("web", 6)), []step{back})},
		"nobody says which job":                    {steps: chain(begin(job("db", 0), job("web", 0), job("worker", 0)), []step{up(db, "")})},
		"each asked for by itself, the cause last": {steps: chain(begin(job("worker", 5), job("web", 6), job("db", 7)), []step{up(db, "")})},
		"web was stopped before": {steps: chain(all, []step{job("web", 3), job("worker", 4), down(worker), down(web),
			{after: time.Minute, e: StopAsked{Name: "db.service", Job: 9}}, down(db), up(db, ""), up(web, "start-units")})},
		"web was stopped long before, as a restart of the count has it": {steps: chain(all, []step{job("web", 30), down(web),
			{after: time.Minute, e: StopAsked{Name: "db.service", Job: 9}}, down(db), up(db, "")})},
		"web alone":                 {steps: chain(all, []step{job("web", 3), job("worker", 4), down(worker), down(web), up(web, "start-units")})},
		"somebody starts web alone": {steps: chain(begin(job("db", 5), job("web", 6), job("worker", 7)), []step{up(web, ""), up(db, "start-units")})},
		// worker waits, for it would start web as well.
		"somebody stops web once more": {steps: chain(begin(job("db", 5), job("web", 6), job("worker", 7)), []step{up(web, ""),
			{after: time.Minute, e: StopAsked{Name: "web.service", Job: 12}}, {e: UnitSeen{life("2", inactive(web))}, want: "look-units"}, up(db, "")})},
		"it comes up unseen, and is told with the list": {steps: chain(begin(job("db", 5), job("web", 6), job("worker", 7)),
			one(0, list(life("2", db), inactive(web), inactive(worker)), "start-units"))},
		"across a restart of the daemon": {steps: chain(settled(), one(0, kept, ""), one(0, list(inactive(db), inactive(web), inactive(worker)), "look-units | look-units | look-units"), []step{back})},
		"it came up while no daemon ran": {steps: chain(settled(), one(0, kept, ""), one(0, list(life("2", db), inactive(web), inactive(worker)), "start-units"))},
		"while no daemon ran, told last": {steps: chain(settled(), one(0, kept, ""), one(0, list(inactive(web), inactive(worker), life("2", db)), "look-units | look-units | start-units"))},
		"and its file is gone":           {steps: chain(begin(job("db", 5), job("web", 6), job("worker", 7)), one(0, list(inactive(db), inactive(worker)), ""), []step{up(db, "start-units")})},
		"the stop of db was called off":  {steps: chain(all, []step{job("db", 5), job("web", 6), job("worker", 7), down(worker), down(web), {e: StopUndone{Name: "db.service", Invocation: "1"}}, {e: UnitSeen{db}, want: "start-units"}})},
		"all were called off": {steps: chain(all, []step{job("db", 5), job("web", 6), job("worker", 7), {e: StopUndone{Name: "web.service", Invocation: "1"}},
			{e: StopUndone{Name: "worker.service", Invocation: "1"}}, {e: StopUndone{Name: "db.service", Invocation: "1"}}, {e: UnitSeen{db}}})},
		"somebody holds web": {steps: chain(begin(job("db", 5), job("web", 6), job("worker", 7)), one(0, HeldSeen{map[string]Hold{"web.service": {}}}, "note:leave web alone"),
			[]step{up(db, "")}, one(0, HeldSeen{}, "note:watch over web again | start-units"))},
	})
	y := newStory(t)
	y.play(begin(job("worker", 7), job("web", 6), job("db", 5))...)
	if want := map[string]string{"web.service": "db.service", "worker.service": "db.service"}; !maps.Equal(y.s.with, want) {
		t.Errorf("stopped with: %v", y.s.with)
	}
	for name, u := range y.s.Units {
		if u.StoppedWith != y.s.with[name] || !u.Stopped {
			t.Errorf("%s is shown as stopped with %q", name, u.StoppedWith)
		}
	}
	if v := y.s.Services(y.now)[1]; v.State != ServiceStopped || v.Desired != DesiredStopped || v.Cause != "db.service" || v.Why != "it was stopped with db, and comes back with it" {
		t.Errorf("shown as %+v", v)
	}
	units := []Unit{}
	for _, u := range y.s.Units {
		units = append(units, u)
	}
	b := WhatHappened(LastLife{Life: Life{"b", 1}, Units: units}, Now{Life: Life{"b", 1}, At: noon})
	if !maps.Equal(b.With, y.s.with) || len(b.Stops) != 3 {
		t.Errorf("the next daemon is told of %v, with %v", b.Stops, b.With)
	}
}

// A service that a person stopped is none of supervision's business.
func TestStoppedIsNotRestarted(t *testing.T) {
	tell(t, map[string]tale{
		"its stop has to wait": {steps: chain(watching(svc("web", "active")), []step{job("web", 5),
			tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill"), tick("web", ConditionSilent, "")})},
		"its stop was called off": {steps: chain(watching(svc("web", "active")), []step{job("web", 5),
			tick("web", ConditionSilent, ""), tick("web", ConditionSilent, ""), tick("web", ConditionSilent, "note:call web ill"),
			{e: StopUndone{Name: "web.service", Invocation: "1"}, want: "examine"}})},
	})
}

// A stop of what it needs takes the place of a restart that keeper asked for
// (systemd's job types): it is a person's, though keeper ends that life too.
func TestStoppedInItsOwnRestart(t *testing.T) {
	db := svc("db", "active")
	web := goingWith(needing(svc("web", "active"), "db"), "db")
	inactive := func(u Unit) Unit {
		return with(u, func(u *Unit) { u.Active, u.Sub = "inactive", "dead" })
	}
	down := func(u Unit) step { return step{e: UnitSeen{inactive(u)}, want: "look-units"} }
	back := func(want string) step { return step{e: UnitSeen{life("2", db)}, want: want} }
	asked := chain(watching(db, web), one(0, RestartAsked{"web.service"}, "restart-units"))
	tell(t, map[string]tale{
		"what it needs is stopped": {steps: chain(asked, []step{job("db", 5), job("web", 6), down(web), down(db), back("start-units")})},
		"what it needs is restarted as well, and then stopped": {steps: chain(asked, one(0, RestartAsked{"db.service"}, "restart-units"),
			[]step{job("db", 5), job("web", 6), down(web), down(db), back("start-units")})},
		"it is stopped itself": {steps: chain(asked, []step{job("web", 6), down(web), back("")})},
	})
}
