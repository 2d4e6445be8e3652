package core

import (
	"reflect"
	"testing"
	"time"
)

// What is said of a service in one place replaces what another place says in
// other words.
func TestOverInOtherWords(t *testing.T) {
	t.Parallel()
	address := Supervision{Address: "127.0.0.1:1", From: map[string]string{"address": "a"}}
	port := Supervision{Port: 2, From: map[string]string{"port": "p"}}
	file := Supervision{PasswordFile: "/p", From: map[string]string{"password_file": "f"}}
	credential := Supervision{Credential: "c", From: map[string]string{"credential": "c"}}
	for name, tt := range map[string][2]Supervision{
		"port over address": {port, address}, "address over port": {address, port},
		"file over credential": {file, credential}, "credential over file": {credential, file},
		"nothing over address": {address.Over(Supervision{}), Supervision{From: map[string]string{}}},
	} {
		if got := tt[0].Over(tt[1]); !reflect.DeepEqual(got, tt[0]) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := file.Over(address); got.Address == "" || got.PasswordFile == "" || len(got.From) != 2 {
		t.Errorf("what has nothing to do with each other: got %+v", got)
	}
	if address.Address == "" || len(address.From) != 1 || len(port.From) != 1 {
		t.Errorf("its operands changed: %+v, %+v", address, port)
	}
}

// A short interval alone is enough: nobody has to set the timeout as well.
func TestSuperviseCutsTheTimeout(t *testing.T) {
	t.Parallel()
	section := Supervision{Interval: time.Second, From: map[string]string{"interval": "f:1"}}
	if s := Supervise(Unit{Name: "x.service"}, Settings{}, section); s.Timeout != time.Second || s.From["timeout"] != fromInterval {
		t.Errorf("got %s from %q", s.Timeout, s.From["timeout"])
	}
	if s := Supervise(Unit{Name: "x.service"}, Settings{}, Supervision{}); s.Timeout != 3*time.Second || s.From["timeout"] != FromDefault {
		t.Errorf("got %s from %q", s.Timeout, s.From["timeout"])
	}
}
