package guard

import "strings"

// finish judges what only the program as a whole says.
func (r *codeReader) finish() {
	if r.loose {
		r.tryAll()
	}
	if r.sql {
		for _, l := range r.lits {
			if startsSQL(l) {
				r.query(textValue(l))
			}
		}
	}
	for _, program := range r.wipes {
		for _, p := range r.given {
			if strings.HasPrefix(p, "/") || strings.HasPrefix(p, "~") {
				r.argv(append(append([]string{}, program...), p), nil, false)
			}
		}
	}
	if r.ended {
		r.endsListed()
	}
	if r.mentions("org.freedesktop.", "login1", "systemd1") {
		r.bus()
	}
	if r.mentions(".sock") {
		r.socket()
	}
}

// endsListed is for processes that a library lists and the program ends: those of the
// names that it has, or all.
func (r *codeReader) endsListed() {
	names := false
	for _, l := range r.lits {
		if !strings.ContainsAny(l, " /\n") {
			names = true
			r.argv([]string{"pkill", l}, nil, false)
		}
	}
	if !names && r.mentions("process_iter") {
		r.argv([]string{"kill", "-9", "--", "-1"}, nil, false)
	}
}

// tryAll takes every text for a shell line, and every row of texts for a command:
// something is run, and what it is cannot be known.
func (r *codeReader) tryAll() {
	inRow := map[string]bool{}
	for _, list := range append(r.lists, r.args) {
		for _, w := range list {
			inRow[w] = true
		}
		if len(list) > 1 {
			r.argv(list, nil, false)
		}
	}
	for _, l := range append(append(r.lits, r.args...), r.input) {
		single := !strings.ContainsAny(strings.TrimSpace(l), " \t\n")
		if len(l) < 4 || single && (inRow[l] || r.c.script) || holesOnly(l) || unknownStart(l) {
			continue
		}
		if r.try(l) {
			r.do.guessed(r.c, l, r.c.name)
		}
	}
}

func startsSQL(text string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(text)+" ", " ")
	switch strings.ToUpper(word) {
	case "DROP", "TRUNCATE", "DELETE", "UPDATE", "ALTER", "BEGIN;", "BEGIN":
		return true
	}
	return false
}

// bus looks for methods of logind and of the service manager that are called through
// D-Bus: the names of both stand in the program.
func (r *codeReader) bus() {
	var login, manager bool
	said := map[string]bool{}
	for _, l := range r.lits {
		login = login || strings.HasPrefix(l, "org.freedesktop.login1") || strings.HasPrefix(l, "/org/freedesktop/login1")
		manager = manager || strings.HasPrefix(l, "org.freedesktop.systemd1") || strings.HasPrefix(l, "/org/freedesktop/systemd1")
		if !strings.ContainsAny(l, " \n") {
			said[lastName(l)] = true
		}
	}
	if !login && !manager {
		return
	}
	for _, t := range r.toks {
		if t.kind == tName {
			said[strings.TrimPrefix(t.text, "call_")] = true
		}
	}
	for _, m := range [...]struct {
		id      string
		methods string
		manager bool // of the service manager as well
	}{
		{"session.bus", "TerminateUser TerminateSession TerminateSeat KillUser KillSession", false},
		{"session.bus", "call_terminate_user call_kill_user terminate_user kill_user terminate_session call_terminate_session kill_session", false},
		{"session.linger", "SetUserLinger set_user_linger", false},
		{"machine.power", "PowerOff Reboot Halt Suspend Hibernate HybridSleep SuspendThenHibernate KExec PowerOffWithFlags RebootWithFlags HaltWithFlags ScheduleShutdown SoftReboot power_off", true},
	} {
		if !login && !m.manager {
			continue
		}
		for _, method := range strings.Fields(m.methods) {
			if said[method] {
				r.do.find(r.c, m.id, yes, method)
				break
			}
		}
	}
	if !manager {
		return
	}
	if said["Exit"] {
		r.do.find(r.c, "session.manager", yes, "Exit")
	}
	for _, method := range [...]string{"StopUnit", "KillUnit", "MaskUnitFiles", "DisableUnitFiles", "FreezeUnit"} {
		if !said[method] {
			continue
		}
		for _, l := range r.lits {
			if isUnit(l) {
				r.unit(method, textValue(l))
			}
		}
	}
}

func isUnit(name string) bool {
	for _, suffix := range [...]string{".service", ".socket", ".slice", ".scope", ".target", ".timer"} {
		if strings.HasSuffix(name, suffix) && !strings.ContainsAny(name, " /") {
			return true
		}
	}
	return false
}

// socket looks for requests that change things through keeper's socket, or Podman's.
func (r *codeReader) socket() {
	var keeper, podman, writes bool
	for _, l := range r.lits {
		keeper = keeper || strings.Contains(l, "keeper.sock")
		podman = podman || strings.Contains(l, "podman.sock") || strings.Contains(l, "docker.sock")
		for _, verb := range [...]string{"POST", "PUT", "DELETE", "PATCH"} {
			writes = writes || l == verb || strings.HasPrefix(l, verb+" /")
		}
	}
	if !keeper && !podman {
		return
	}
	for i, t := range r.toks {
		if t.kind == tName && i > 0 && (t.text == "post" || t.text == "put" || t.text == "delete" || t.text == "patch") && r.joins(r.toks[i-1]) {
			writes = true
		}
	}
	if !writes {
		return
	}
	if keeper {
		r.do.find(r.c, "keeper.socket", yes, "")
	}
	if podman {
		r.do.find(r.c, "stack.socket", yes, "")
	}
}
